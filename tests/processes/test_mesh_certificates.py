"""Certificates that live for seconds, of an authority that was brought in files: rotated under load, outlived by a mesh that was
suspended, and renewed after whoever renews them was away."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from processes.mesh import AGENT, CONTROL_PLANE, RunningMesh, running_mesh

LIFETIME = 8
MESH = """
x-weft: {ca: {folder: cacerts, workloadKeyType: ECDSA-P384}}
services:
  client: {command: sleep 100000}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
"""
STRICT_AND_SHORT_CONNECTIONS = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 20}}}}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file. Connections are short, so that there are handshakes all the time."""
    folder = tmp_path_factory.mktemp("mesh")
    bring(folder / "cacerts")
    with running_mesh(folder, MESH, "--certificate-lifetime", f"{LIFETIME}s") as running:
        running.apply(STRICT_AND_SHORT_CONNECTIONS)
        yield running


ROOT = """
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=offline -keyout root-key.pem -out root-cert.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=issuer -keyout ca-key.pem -out request.pem
printf 'basicConstraints=critical,CA:TRUE,pathlen:0\\nkeyUsage=critical,keyCertSign\\n' > extensions
openssl x509 -req -in request.pem -CA root-cert.pem -CAkey root-key.pem -days 365 -extfile extensions -out ca-cert.pem
cat ca-cert.pem root-cert.pem > cert-chain.pem
"""
SIGN = "openssl x509 -req -CA root-cert.pem -CAkey root-key.pem -days 365 -copy_extensions copy -out signed.pem"


def bring(folder: Path) -> None:
    """A root and an intermediate of an operator, made by openssl, in Istio's layout."""
    folder.mkdir()
    subprocess.run(["sh", "-ec", ROOT], cwd=folder, check=True, capture_output=True)


def rotations(mesh: RunningMesh, workload: str) -> int:
    """How many certificates a workload has had."""
    return mesh.log("agent").count(f"certificate renewed workload=default/{workload}")


def test_ten_rotations_under_load(mesh: RunningMesh) -> None:
    """Caller and receiver change their certificates ten times while connections are made all the time."""
    before = {name: rotations(mesh, name) for name in mesh.instances()}
    with mesh.steady("reviews:9080") as load:
        mesh.until(lambda: all(rotations(mesh, name) >= count + 10 for name, count in before.items()), LIFETIME * 10)
    load.assert_whole()


def test_a_suspend_longer_than_a_certificate_lives(mesh: RunningMesh) -> None:
    """All processes stopped and continued after every certificate has expired: calls succeed within five seconds."""
    proxy = mesh.proxy()
    with mesh.steady("reviews:9080") as load:
        time.sleep(1)
        with mesh.suspended(load.pid):
            time.sleep(LIFETIME + 3)
        continued = time.monotonic()
        mesh.until(lambda: mesh.call("http://reviews:9080/", proxy=proxy).status == 200, 5)
        print(f"calls succeed {time.monotonic() - continued:.2f} s after the suspend")
        time.sleep(5)
    print(f"over the suspend {load.failed} of {load.requests} requests failed")
    with mesh.steady("reviews:9080") as load:
        time.sleep(3)
    load.assert_whole()


def left(mesh: RunningMesh) -> float:
    """Seconds for which all certificates that workloads have are valid."""
    told = re.findall(r"certificate renewed workload=(\S+) until=(\S+)", mesh.log("agent"))
    ends = {name: datetime.fromisoformat(until).timestamp() for name, until in told}
    return min(ends.values()) - time.time()


@pytest.mark.parametrize("away", [CONTROL_PLANE, AGENT])
def test_who_renews_is_away_for_more_than_half_a_certificates_life(mesh: RunningMesh, away: str) -> None:
    """Traffic goes on with the certificates there are, and the renewal catches up."""
    mesh.until(lambda: mesh.call("http://reviews:9080/").status == 200 and left(mesh) > LIFETIME * 0.7, 60)
    with mesh.without(away), mesh.steady("reviews:9080") as load:
        time.sleep(LIFETIME * 0.52)
    load.assert_whole()
    mesh.until(lambda: left(mesh) > LIFETIME * 0.5, 20)
    mesh.until(lambda: mesh.call("http://reviews:9080/").status == 200, 5)


def test_who_renews_is_away_until_everything_has_expired(mesh: RunningMesh) -> None:
    """When control plane and agent return, calls succeed again without anybody's help."""
    proxy = mesh.proxy()
    with mesh.without(CONTROL_PLANE), mesh.without(AGENT):
        mesh.until(lambda: mesh.call("http://reviews:9080/", proxy=proxy).status == 503, LIFETIME + 10)
    returned = time.monotonic()
    mesh.until(lambda: left(mesh) > LIFETIME * 0.5 and mesh.call("http://reviews:9080/", proxy=proxy).status == 200, 30)
    print(f"calls succeed {time.monotonic() - returned:.2f} s after the return")
    with mesh.steady("reviews:9080") as load:
        time.sleep(1)
    load.assert_whole()


def test_an_intermediate_is_signed_where_the_root_is_kept(mesh: RunningMesh) -> None:
    """The control plane has no root's key: it prints a request, and what openssl made of it serves under load."""
    folder = mesh.folder / "cacerts"
    refused = mesh.weft("ca", "rotate", code=1)
    assert "weft ca csr" in refused.err
    with mesh.steady("reviews:9080") as load:
        request = mesh.weft("ca", "csr").out
        subprocess.run(SIGN.split(), cwd=folder, input=request.encode(), check=True, capture_output=True)
        wrong = mesh.weft("ca", "import", "cacerts/ca-cert.pem", code=1)
        assert "the key is not that of" in wrong.err
        mesh.weft("ca", "import", "cacerts/signed.pem")
        mesh.until(lambda: json.loads(mesh.weft("ca", "status", "-o", "json").out)["last"], 30)
    load.assert_whole()
    verdict = json.loads(mesh.weft("ca", "verify", "-o", "json").out)
    assert verdict["verified"] and len({each["issuer"] for each in verdict["items"] if "issuer" in each}) == 1
    shown = json.loads(mesh.weft("ca", "status", "-o", "json").out)
    assert [root["subject"] for root in shown["roots"]] == ["CN=offline"] and shown["last"]["kind"] == "intermediate"
