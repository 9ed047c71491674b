"""The root replaced under a mesh of twenty Envoys with traffic: nothing fails, nothing restarts, and a killed control plane
goes on."""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256

from processes.mesh import CONTROL_PLANE, RunningMesh, running_mesh

SERVICES = 10
SERVICE = "  s{n}: {{command: weft echo, deploy: {{replicas: 2}}, x-weft: {{ports: [{{name: http, port: 9080}}]}}}}\n"
MESH = "services:\n  client: {command: sleep 100000}\n" + "".join(SERVICE.format(n=n) for n in range(SERVICES))
STRICT_AND_SHORT_CONNECTIONS = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: s0}
spec: {host: s0, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 20}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: s1}
spec: {host: s1, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 20}}}}
"""
STATES = ("trust-both", "reissue", "prove", "drop-old")


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file. Connections to two services are short, so that there are handshakes all the time."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        running.apply(STRICT_AND_SHORT_CONNECTIONS)
        yield running


def status(mesh: RunningMesh) -> dict[str, Any]:
    """What `weft ca status` says."""
    with mesh.api() as api:
        return dict(api.get("/weft/v1/ca"))


def state(mesh: RunningMesh) -> str:
    """The state of the rotation; empty: there is none."""
    return str((status(mesh)["rotation"] or {}).get("state", ""))


def ask(mesh: RunningMesh, verb: str, **body: Any) -> None:
    """Changes the rotation."""
    with mesh.api() as api:
        api.request("POST", f"/weft/v1/ca/{verb}", body)


def proven(mesh: RunningMesh, wanted: str) -> None:
    """Waits until nothing is lacking of what a state demands."""
    mesh.until(lambda: (found := status(mesh)["rotation"]) and found["state"] == wanted and not found["waitingFor"], 60)


def roots_on_the_wire(mesh: RunningMesh) -> set[str]:
    """The roots (SHA-256) to which the chains lead that all inbound listeners show, by handshakes of the test's own."""
    known = {root["fingerprint"] for root in status(mesh)["roots"]}
    trusted = x509.load_pem_x509_certificates((mesh.folder / ".weft" / "ca" / "root.crt").read_bytes())
    roots = {root.fingerprint(SHA256()).hex(): root for root in trusted}
    assert set(roots) == known
    found = set()
    for instance in mesh.instances().values():
        for port in instance["ports"]:
            chain = _shown(instance["host"], port["sidecar"])
            found |= {name for name, root in roots.items() if _issued(chain[1], root)}
    return found


def _shown(host: str, port: int) -> list[x509.Certificate]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["istio"])
    with socket.create_connection((host, port), 5) as plain, context.wrap_socket(plain) as tls:
        inside: Any = tls._sslobj  # type: ignore[attr-defined]
        return [_certificate(each) for each in inside.get_unverified_chain()]


def _certificate(of: Any) -> x509.Certificate:
    return x509.load_der_x509_certificate(of if isinstance(of, bytes) else of.public_bytes(2))


def _issued(of: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        of.verify_directly_issued_by(issuer)
    except (ValueError, InvalidSignature):
        return False
    return True


def lives(mesh: RunningMesh) -> dict[str, tuple[int, float]]:
    """Pid and birth of every Envoy and application."""
    return {
        name: (pid, psutil.Process(pid).create_time())
        for name, pid in mesh.processes().items()
        if name.startswith(("envoy/", "app/"))
    }


def test_the_root_is_replaced_under_load_whatever_kills_the_control_plane(mesh: RunningMesh) -> None:
    """In each state the wire shows what the state says; a control plane that is killed as it enters a state goes on in it."""
    before = lives(mesh)
    assert sum(name.startswith("envoy/") for name in before) == 2 * SERVICES + 1
    (old,) = (root["fingerprint"] for root in status(mesh)["roots"])
    began = time.monotonic()
    with mesh.steady("s0:9080") as one, mesh.steady("s1:9080") as other:
        ask(mesh, "rotate", root=True, stepwise=True)
        for wanted in STATES:
            mesh.until(lambda wanted=wanted: state(mesh) == wanted, 60)
            mesh.killed(CONTROL_PLANE)
            mesh.until(mesh.ready_control_plane, 60)
            assert state(mesh) == wanted
            proven(mesh, wanted)
            served = roots_on_the_wire(mesh)
            assert len(served) == 1 and (served == {old}) == (wanted == "trust-both"), wanted
            assert (old in {root["fingerprint"] for root in status(mesh)["roots"]}) == (wanted != "drop-old")
            ask(mesh, "resume")
        mesh.until(lambda: not state(mesh), 60)
        assert {root["fingerprint"] for root in status(mesh)["roots"]} == served == roots_on_the_wire(mesh) != {old}
    print(f"the root was replaced in {time.monotonic() - began:.1f} s, with four kills of the control plane")
    one.assert_whole()
    other.assert_whole()
    assert lives(mesh) == before
    assert "\nverified\n" in mesh.weft("ca", "verify").out


def test_a_rotation_that_is_taken_back_leaves_everything_as_it_was(mesh: RunningMesh) -> None:
    """Also the intermediate alone is replaced, while calls go on."""
    (root,) = status(mesh)["roots"]
    issuer = status(mesh)["intermediate"]["fingerprint"]
    with mesh.steady("s0:9080") as load:
        ask(mesh, "rotate", root=True, stepwise=True)
        proven(mesh, "trust-both")
        ask(mesh, "resume")
        proven(mesh, "reissue")
        ask(mesh, "abort")
        mesh.until(lambda: not state(mesh), 60)
        found = status(mesh)
        assert found["roots"] == [root] and found["intermediate"]["fingerprint"] == issuer and found["last"]["ended"] == "aborted"
        mesh.weft("ca", "rotate")
        mesh.until(lambda: not state(mesh), 60)
        assert status(mesh)["roots"] == [root] and status(mesh)["intermediate"]["fingerprint"] != issuer
    load.assert_whole()
    said = json.loads(mesh.weft("ca", "verify", "-o", "json").out)
    assert said["verified"] and len(said["items"]) == 2 * SERVICES + 3


def test_who_does_not_follow_is_named_and_holds_the_rotation(mesh: RunningMesh) -> None:
    """An Envoy that is stopped shows nothing: `verify` names it, and a rotation waits for it."""
    envoy = mesh.envoy("s3-1")
    envoy.suspend()
    try:
        told = mesh.weft("ca", "verify", code=1).out
        assert told.rstrip().endswith("not verified: default/s3-1")
        ask(mesh, "rotate", root=True)
        mesh.until(lambda: [w["name"] for w in status(mesh)["rotation"]["waitingFor"]] == ["default/s3-1"], 20)
        time.sleep(1)
        assert state(mesh) == "trust-both"
    finally:
        envoy.resume()
    mesh.until(lambda: not state(mesh), 60)
