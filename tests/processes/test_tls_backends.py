"""TLS that a gateway passes by its name, and TLS that proxies speak to backends: BackendTLSPolicy, on real servers."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from processes.issuer import Issuer, issuer
from processes.mesh import RunningMesh, running_mesh
from processes.outside import named_server

MESH = """
services:
  client: {command: sleep 100000}
  ingress: {x-weft: {gateway: true, labels: {istio: ingress, gateway.networking.k8s.io/gateway-name: public}}}
"""
PASSING = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.example.com]
  ports: [{{number: 443, name: tls, protocol: TLS}}]
  resolution: STATIC
  endpoints: [{{address: 127.0.0.1, ports: {{tls: {port}}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.example.com]
  gateways: [passing]
  tls:
  - match: [{{port: 9443, sniHosts: [{name}.example.com]}}]
    route: [{{destination: {{host: {name}.example.com, port: {{number: 443}}}}}}]
"""
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: passing, namespace: default}
spec:
  selector: {istio: ingress}
  servers:
  - {port: {number: 9443, name: tls, protocol: TLS}, hosts: ["*.example.com"], tls: {mode: PASSTHROUGH}}
"""
BACKEND = """
apiVersion: v1
kind: Service
metadata: {{name: vault, namespace: default}}
spec: {{selector: {{app: vault}}, ports: [{{name: http, port: 80, targetPort: {port}}}]}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: vault-0, namespace: default}}
spec: {{address: 127.0.0.1, labels: {{app: vault}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: public, namespace: default}}
spec: {{gatewayClassName: weft, listeners: [{{name: http, port: 8088, protocol: HTTP}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: vault, namespace: default}}
spec: {{parentRefs: [{{name: public}}], rules: [{{backendRefs: [{{name: vault, port: 80}}]}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: vault, namespace: default}}
spec:
  targetRefs: [{{group: "", kind: Service, name: vault}}]
  validation: {{hostname: vault.example.com, caCertificateRefs: [{{group: "", kind: ConfigMap, name: vault-ca}}]}}
"""


@contextmanager
def tls_server(name: str, ca: Issuer, folder: Path) -> Iterator[int]:
    """An HTTPS server of its own for `NAME.example.com`; its port."""
    files = folder / f"{name}.pem", folder / f"{name}.key"
    for file, text in zip(files, ca.leaf(f"{name}.example.com"), strict=True):
        file.write_text(text)
    with named_server(name, "127.0.0.1", *files) as port:
        yield port


@dataclass(frozen=True)
class Edge:
    """The mesh, who signed the servers' certificates, and their ports."""

    mesh: RunningMesh
    ca: Issuer
    ports: dict[str, int]

    def gateway_port(self, number: int) -> int:
        """Where a port of the gateway really is; 0 while it is not."""
        return int(self.mesh.instances()["ingress-0"].get("gatewayPorts", {}).get(str(number), 0))

    def passed(self, host: str) -> str:
        """Who answers TLS for `host` at the gateway, its certificate checked; empty: the connection is closed."""
        context = ssl.create_default_context(cadata=self.ca.pem)
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.gateway_port(9443)), 5) as plain:
            with context.wrap_socket(plain, server_hostname=host) as secure:
                secure.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                said = b"".join(iter(lambda: secure.recv(4096), b""))
                return str(json.loads(said.partition(b"\r\n\r\n")[2])["name"])
        return ""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """One mesh and three servers for all tests of this file."""
    folder, ca = tmp_path_factory.mktemp("servers"), issuer()
    with ExitStack() as stack:
        ports = {name: stack.enter_context(tls_server(name, ca, folder)) for name in ("one", "two", "vault")}
        yield Edge(stack.enter_context(running_mesh(tmp_path_factory.mktemp("mesh"), MESH)), ca, ports)


def test_tls_passes_a_gateway_by_the_name_it_asks_for(edge: Edge) -> None:
    """Two hosts of one port end at their own servers, with their own certificates; a third is closed."""
    edge.mesh.apply(GATEWAY)
    for name in ("one", "two"):
        edge.mesh.apply(PASSING.format(name=name, port=edge.ports[name]))
    edge.mesh.until(lambda: edge.gateway_port(9443) and edge.passed("one.example.com") == "one", 10)
    edge.mesh.until(lambda: edge.passed("two.example.com") == "two", 10)
    assert edge.passed("three.example.com") == ""


def test_a_backend_is_spoken_to_in_tls_and_never_in_plain_text(edge: Edge) -> None:
    """Without its authorities calls fail; with them they arrive, from a sidecar and from a gateway; with others' they fail."""
    edge.mesh.weft("apply", "--allow-unresolved", "-f", "-", stdin=BACKEND.format(port=edge.ports["vault"]))
    assert edge.mesh.call("http://vault/").status == 503
    trust = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vault-ca", "namespace": "default"}}
    edge.mesh.apply(json.dumps({**trust, "data": {"ca.crt": edge.ca.pem}}))
    edge.mesh.until(lambda: edge.mesh.call("http://vault/").status == 200, 10)
    assert edge.mesh.call("http://vault/").echo["name"] == "vault"
    at = f"127.0.0.1:{edge.mesh.until(lambda: edge.gateway_port(8088), 10)}"
    edge.mesh.until(lambda: edge.mesh.call("/", proxy=at, headers={"Host": "any.example.com"}).status == 200, 10)
    edge.mesh.apply(json.dumps({**trust, "data": {"ca.crt": issuer().pem}}))
    edge.mesh.until(lambda: edge.mesh.call("http://vault/").status == 503, 10)


def test_a_policy_says_how_it_stands_at_each_gateway(edge: Edge) -> None:
    """Its ancestor is the Gateway that leads to its Service."""
    told = json.loads(edge.mesh.weft("get", "backendtlspolicies", "vault", "-o", "json").out)
    (ancestor,) = told["status"]["ancestors"]
    assert ancestor["ancestorRef"]["name"] == "public" and ancestor["controllerName"] == "mesh.weft.dev/gateway"
    assert {one["type"]: one["status"] for one in ancestor["conditions"]} == {"Accepted": "True", "ResolvedRefs": "True"}


def test_a_server_listens_at_the_address_that_it_binds(edge: Edge) -> None:
    """There and nowhere else, beside a server of the same gateway without one."""
    edge.mesh.apply(
        """
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: {name: bound, namespace: default}
        spec:
          selector: {istio: ingress}
          servers: [{port: {number: 8077, name: http, protocol: HTTP}, hosts: ["*"], bind: 127.0.0.2}]
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: bound, namespace: default}
        spec: {hosts: [bound.example.com], gateways: [bound], http: [{directResponse: {status: 200}}]}
        """
    )
    at = edge.mesh.until(lambda: edge.gateway_port(8077), 10)
    edge.mesh.until(lambda: edge.mesh.call("/", proxy=f"127.0.0.2:{at}", headers={"Host": "bound.example.com"}).status == 200, 10)
    assert edge.mesh.call("/", proxy=f"127.0.0.1:{at}", headers={"Host": "bound.example.com"}).status == 0
