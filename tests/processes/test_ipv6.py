"""A mesh on `::1`, with one caller and one service on 127.0.0.1 in it, and a gateway that both families reach."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest

from processes.calls import PYTHON, needs, reached, run, to_proxy
from processes.mesh import RunningMesh, running_mesh
from processes.outside import named_server
from weft.supervisor.config import WEFT
from weft.supervisor.home import read

MESH = """
services:
  client: {command: sleep 100000, x-weft: {upstreams: [{host: lines, port: 6000}]}}
  old: {command: sleep 100000, x-weft: {host: 127.0.0.1}}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  legacy: {command: weft echo, x-weft: {host: 127.0.0.1, ports: [{name: http, port: 9080}]}}
  lines: {command: weft echo, x-weft: {ports: [{name: tcp, port: 6000}]}}
  ingress: {x-weft: {gateway: true, gatewayHost: "::", labels: {istio: ingressgateway}}}
x-weft: {host: "::1"}
"""
STRICT = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
"""
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec:
  hosts: ["*"]
  gateways: [edge]
  http: [{route: [{destination: {host: reviews, port: {number: 9080}}}]}]
"""


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no ::1")


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        running.apply(STRICT)
        yield running


def test_everything_listens_on_it(mesh: RunningMesh) -> None:
    """Control plane, sidecars and applications are at [::1], and the files that tell so write it in brackets."""
    found = read(mesh.home.mesh_file)
    assert all(address.startswith("[::1]:") for address in found["addresses"].values())
    reviews = next(each for each in found["instances"] if each["name"] == "reviews-0")
    assert all(address.startswith("[::1]:") for address in (*reviews["ports"].values(), *reviews["inbound"].values()))
    assert "https://[::1]:" in mesh.home.kubeconfig.read_text()
    assert "reviews" in mesh.weft("get", "services").out


@needs("curl")
@pytest.mark.parametrize("service", ["reviews", "legacy"])
def test_a_call_by_the_proxy_variables(mesh: RunningMesh, service: str) -> None:
    """The proxy at [::1] is found in its variables, and leads to services on either family over mutual TLS."""
    assert run(mesh, "sh", "-c", "echo $http_proxy").out.startswith("http://[::1]:")
    reached(run(mesh, "curl", "-sS", f"http://{service}:9080/"), service)
    code = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
    reached(run(mesh, PYTHON, "-c", code, f"http://{service}:9080/"), service)


@pytest.mark.parametrize("service", ["reviews", "legacy"])
def test_a_caller_of_the_other_family(mesh: RunningMesh, service: str) -> None:
    """A sidecar on 127.0.0.1 reaches services on either family."""
    proxy = mesh.proxy("old-0")
    assert proxy.startswith("127.0.0.1:")
    answer = mesh.call(f"http://{service}:9080/", proxy=proxy)
    assert (answer.echo["service"], answer.echo["peer"]) == (service, "spiffe://cluster.local/ns/default/sa/old")


def test_tcp_by_an_upstream_and_by_connect(mesh: RunningMesh) -> None:
    """An upstream's address has brackets, and a TCP service is reached there and through CONNECT."""
    code = "import os, socket; h, _, p = os.environ['LINES_ADDR'].rpartition(':'); assert h == '[::1]'; "
    code += "s = socket.create_connection(('::1', int(p))); s.sendall(b'hello\\n'); print(s.makefile().readline())"
    assert json.loads(run(mesh, PYTHON, "-c", code).out)["received"] == "hello"
    with to_proxy(mesh) as connection:
        connection.sendall(b"CONNECT lines:6000 HTTP/1.1\r\nHost: lines:6000\r\n\r\n")
        assert connection.recv(65536).split()[1] == b"200"
        connection.sendall(b"through a tunnel\n")
        assert json.loads(connection.recv(65536))["received"] == "through a tunnel"


def test_an_address_as_the_host(mesh: RunningMesh) -> None:
    """What is called by an IPv6 address is passed on to it, in the clear and in a tunnel."""
    with named_server("plain", "::1") as port:
        assert json.loads(mesh.call(f"http://[::1]:{port}/").body) == {"name": "plain", "host": f"[::1]:{port}"}
        with to_proxy(mesh) as connection:
            connection.sendall(f"CONNECT [::1]:{port} HTTP/1.1\r\nHost: [::1]:{port}\r\n\r\n".encode())
            assert connection.recv(65536).split()[1] == b"200"
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"plain" in b"".join(iter(lambda: connection.recv(65536), b""))


def test_both_families_come_in_at_the_gateway(mesh: RunningMesh) -> None:
    """A gateway on `::` answers IPv4 and IPv6."""
    mesh.apply(GATEWAY)
    port = mesh.until(lambda: mesh.instances()["ingress-0"]["gatewayPorts"].get("80"))
    for host in ("127.0.0.1", "::1"):
        mesh.until(partial(_answers, host, port))


def _answers(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": "any"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_endpoints_written_with_ipv6_addresses(mesh: RunningMesh) -> None:
    """A ServiceEntry's endpoint and an operator's WorkloadEntry may be at IPv6 addresses; both are spoken to in the clear."""
    with named_server("entry", "::1") as one, named_server("workload", "::1") as other:
        mesh.apply(
            f"""
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {{name: outside}}
            spec:
              hosts: [outside.example]
              location: MESH_EXTERNAL
              resolution: STATIC
              ports: [{{number: 80, name: http, protocol: HTTP}}]
              endpoints: [{{address: "::1", ports: {{http: {one}}}}}]
            ---
            apiVersion: v1
            kind: Service
            metadata: {{name: machine}}
            spec: {{selector: {{app: machine}}, ports: [{{name: http, port: 80, targetPort: {other}}}]}}
            ---
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {{name: machine}}
            spec: {{address: "::1", labels: {{app: machine}}}}
            """
        )
        for host, name in (("outside.example", "entry"), ("machine", "workload")):
            mesh.until(partial(_is_answered_by, mesh, host, name))


def _is_answered_by(mesh: RunningMesh, host: str, name: str) -> bool:
    return f'"{name}"' in mesh.call(f"http://{host}/").body


def test_the_table_of_edges_knows_the_services(mesh: RunningMesh) -> None:
    """Endpoints on `::1` are recognized as the services that they are."""
    mesh.call("http://reviews:9080/")
    edges = mesh.until(lambda: [line for line in mesh.weft("stat").out.splitlines() if "reviews" in line and "client" in line])
    assert "::1" not in edges[0]


def test_a_control_plane_alone(tmp_path: Path) -> None:
    """`weft serve` takes `[::1]:0` for each of its addresses and tells the ports it got in brackets."""
    servers = ("api", "xds", "enroll", "metrics")
    words = [word for server in servers for word in (f"--{server}", "[::1]:0")]
    with subprocess.Popen([*WEFT, "serve", "--home", str(tmp_path), *words], stderr=subprocess.DEVNULL) as serving:
        try:
            while not (found := read(tmp_path / "serve.json")):
                assert serving.poll() is None
                time.sleep(0.05)
            for server in servers:
                host, _, port = found[server].rpartition(":")
                assert host == "[::1]"
                socket.create_connection(("::1", int(port)), timeout=2).close()
        finally:
            serving.terminate()
