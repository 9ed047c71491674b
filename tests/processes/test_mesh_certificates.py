"""Certificates that live for seconds: rotated under load, and outlived by a mesh that was suspended."""

import time
from collections.abc import Iterator

import pytest

from processes.mesh import RunningMesh, running_mesh

LIFETIME = 8
MESH = """
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
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH, "--certificate-lifetime", f"{LIFETIME}s") as running:
        running.apply(STRICT_AND_SHORT_CONNECTIONS)
        yield running


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
