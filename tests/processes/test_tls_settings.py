"""Which TLS is on the wire between sidecars: post-quantum first with a classical way back, and what settings leave of it."""

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from processes.handshake import P256, X25519, X25519MLKEM768, chosen, offered
from processes.mesh import RunningMesh, running_mesh

MESH = """
services:
  client: {command: sleep 100000}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
"""
FIPS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system, annotations: {mesh.weft.dev/tls-profile: fips}}
data: {mesh: "meshMTLS: {minProtocolVersion: TLSV1_2}"}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def port_of(mesh: RunningMesh, instance: str) -> tuple[str, int]:
    """Where the sidecar of an instance listens for the mesh."""
    entry = json.loads(mesh.weft("get", "workloadentries", instance, "-o", "json").out)
    (port,) = entry["spec"]["ports"].values()
    return entry["spec"]["address"], port


def openssl(at: tuple[str, int], *options: str) -> str:
    """What `openssl s_client` says of a handshake without a certificate."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    command = ["openssl", "s_client", "-connect", f"{at[0]}:{at[1]}", "-alpn", "istio", *options]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr


def test_a_sidecar_chooses_the_post_quantum_exchange_and_takes_the_classical_one(mesh: RunningMesh) -> None:
    """Of what a client offers the hybrid is chosen, whatever stands first; X25519 alone is served, TLS 1.2 is not."""
    at = port_of(mesh, "reviews-0")
    assert chosen(at, (X25519, P256, X25519MLKEM768)) == X25519MLKEM768
    assert chosen(at, (X25519,)) == X25519
    assert "TLSv1.3" in openssl(at, "-groups", "X25519")
    assert "TLSv1.2, Cipher is ECDHE" not in openssl(at, "-tls1_2")


def test_a_calling_sidecar_offers_the_post_quantum_exchange_first(mesh: RunningMesh) -> None:
    """It sends a key of it at once, and offers X25519 to who knows no better."""
    seen: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def listen() -> None:
            connection, _ = server.accept()
            with connection:
                seen.append(offered(connection))

        spy = threading.Thread(target=listen)
        spy.start()
        mesh.apply(f"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {{name: spy}}
        spec:
          hosts: [spy.internal]
          location: MESH_INTERNAL
          resolution: STATIC
          ports: [{{number: 80, name: http, protocol: HTTP}}]
          endpoints: [{{address: 127.0.0.1, ports: {{http: {server.getsockname()[1]}}}, serviceAccount: spy}}]
        """)
        mesh.until(lambda: mesh.call("http://spy.internal/", timeout=1) and seen, 15)
        spy.join()
    groups, keys = seen[0]
    assert groups[0] == X25519MLKEM768 and keys[0] == X25519MLKEM768
    assert X25519 in groups


def test_the_fips_profile_leaves_approved_curves_and_ciphers(mesh: RunningMesh) -> None:
    """X25519 and the hybrid are refused, P-256 is taken; of TLS 1.2 only AES-GCM is; calls of the mesh go on meanwhile."""
    at = port_of(mesh, "reviews-0")
    with mesh.steady("reviews:9080") as load:
        mesh.apply(FIPS)
        mesh.until(lambda: chosen(at, (X25519, X25519MLKEM768)) is None)
        assert chosen(at, (X25519, X25519MLKEM768, P256)) == P256
    load.assert_whole()
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in openssl(
        at, "-tls1_2", "-curves", "P-256", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"
    )
    assert "Cipher is (NONE)" in openssl(at, "-tls1_2", "-curves", "P-256", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305")
    assert mesh.call("http://reviews:9080/").status == 200
