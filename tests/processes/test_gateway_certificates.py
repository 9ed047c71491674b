"""Certificates of Secrets at a gateway: shown, asked for, rotated under load, missing and healed."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

import pytest
from cryptography import x509

from processes.issuer import Issuer, issuer
from processes.mesh import RunningMesh, running_mesh

MESH = """
services:
  client: {command: sleep 100000}
  web: {command: weft echo, x-weft: {ports: [{name: http, port: 80}]}}
  ingress: {x-weft: {gateway: true, namespace: edge, labels: {istio: ingress}}}
"""
RULES = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure, namespace: edge}
spec:
  selector: {istio: ingress}
  servers:
  - port: {number: 8443, name: shop, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop}
  - port: {number: 8443, name: bank, protocol: HTTPS}
    hosts: [bank.example.com]
    tls: {mode: MUTUAL, credentialName: bank}
  - port: {number: 8443, name: club, protocol: HTTPS}
    hosts: [club.example.com]
    tls: {mode: OPTIONAL_MUTUAL, credentialName: bank}
  - port: {number: 8443, name: late, protocol: HTTPS}
    hosts: [late.example.com]
    tls: {mode: SIMPLE, credentialName: late}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [shop.example.com, bank.example.com, club.example.com, late.example.com]
  gateways: [edge/secure]
  http: [{route: [{destination: {host: web, port: {number: 80}}}]}]
"""


@dataclass(frozen=True)
class Edge:
    """A mesh with its gateway, and who signs."""

    mesh: RunningMesh
    ca: Issuer

    def secret(self, name: str, *hosts: str, authorities: bool = False) -> int:
        """Applies a Secret with a new certificate; its serial number."""
        chain, key = self.ca.leaf(*hosts)
        data = {"tls.crt": chain, "tls.key": key, **({"ca.crt": self.ca.pem} if authorities else {})}
        said = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "stringData": data}
        self.mesh.apply(json.dumps({**said, "metadata": {"name": name, "namespace": "edge"}}))
        return x509.load_pem_x509_certificate(chain.encode()).serial_number

    @property
    def port(self) -> int:
        """Where the gateway's port 8443 really is; 0 while it is not."""
        return int(self.mesh.instances()["ingress-0"].get("gatewayPorts", {}).get("8443", 0))

    def context(self, certificate: bool = False) -> ssl.SSLContext:
        """A caller that trusts the issuer, perhaps with a certificate of its own."""
        context = ssl.create_default_context(cadata=self.ca.pem)
        if certificate:
            files = self.mesh.folder / "caller.pem"
            files.write_text("".join(reversed(self.ca.leaf("caller.example.com"))))
            context.load_cert_chain(files)
        return context

    def connection(self, host: str, context: ssl.SSLContext) -> HTTPSConnection:
        """A connection for requests to `host`."""
        return Named(host, self.port, context)

    def status(self, host: str, *, certificate: bool = False) -> int:
        """What a request gets; 0: the connection failed."""
        connection = self.connection(host, self.context(certificate))
        try:
            connection.request("GET", "/")
            return connection.getresponse().status
        except (OSError, HTTPException):
            return 0
        finally:
            connection.close()

    def serial(self, host: str) -> int:
        """Of the certificate that is shown for `host`; 0: none is."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as plain:
            with self.context().wrap_socket(plain, server_hostname=host) as secure:
                return x509.load_der_x509_certificate(secure.getpeercert(True) or b"").serial_number
        return 0


class Named(HTTPSConnection):
    """Calls loopback, and names another host."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=10, context=context)
        self._context_of = context

    def connect(self) -> None:
        """To loopback."""
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        self.sock = self._context_of.wrap_socket(plain, server_hostname=self.host)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """One mesh for all tests of this file. Its Secret `late` is not there."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        found = Edge(running, issuer())
        found.secret("shop", "shop.example.com")
        found.secret("bank", "bank.example.com", "club.example.com", authorities=True)
        running.weft("apply", "-f", "-", stdin=RULES)
        running.until(lambda: found.port and found.status("shop.example.com") == 200, 10)
        yield found


@dataclass
class Callers:
    """What callers counted."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def call(self, edge: Edge, context: ssl.SSLContext, *, keep: bool) -> None:
        """Requests without pause, on one connection or each on its own."""
        connection = edge.connection("shop.example.com", context)
        while not self.over.is_set():
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    self.failed.append(str(response.status))
                self.answered += 1
                if not keep:
                    connection.close()
            except (OSError, HTTPException) as problem:
                self.failed.append(repr(problem))
                connection.close()


@contextmanager
def callers(edge: Edge) -> Iterator[Callers]:
    """Two callers that keep their connection, and two that make a new one for each request."""
    counted, context = Callers(), edge.context()
    threads = [threading.Thread(target=counted.call, args=(edge, context), kwargs={"keep": n < 2}) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield counted
    finally:
        counted.over.set()
        for thread in threads:
            thread.join()


def test_a_rotation_under_load_fails_no_request(edge: Edge) -> None:
    """Ten new certificates, each shown within two seconds; connections that are open go on, and nothing restarts."""
    pids = {name: pid for name, pid in edge.mesh.processes().items() if name.startswith("envoy/")}
    with callers(edge) as counted:
        for _ in range(10):
            serial = edge.secret("shop", "shop.example.com")
            edge.mesh.until(lambda serial=serial: edge.serial("shop.example.com") == serial, 2)  # type: ignore[misc]
    print(f"rotation: {counted.answered} requests, {len(counted.failed)} failed")
    assert counted.answered > 200 and not counted.failed, counted.failed[:5]
    assert {name: pid for name, pid in edge.mesh.processes().items() if name.startswith("envoy/")} == pids


def test_a_client_certificate_is_asked_for(edge: Edge) -> None:
    """MUTUAL takes no caller without one, OPTIONAL_MUTUAL takes both."""
    assert (edge.status("bank.example.com"), edge.status("bank.example.com", certificate=True)) == (0, 200)
    assert (edge.status("club.example.com"), edge.status("club.example.com", certificate=True)) == (200, 200)


def test_a_missing_secret_closes_its_own_server_and_heals(edge: Edge) -> None:
    """The finding names it and its field; the other servers of the Gateway never fail; the Secret's coming is enough."""
    told = edge.mesh.weft("get", "gw", "secure", "-n", "edge", "-o", "json").out
    assert "there is no Secret edge/late" in told and "spec.servers[3].tls.credentialName" in told
    with callers(edge) as counted:
        assert edge.status("late.example.com") == 0
        edge.secret("late", "late.example.com")
        edge.mesh.until(lambda: edge.status("late.example.com") == 200, 5)
    assert counted.answered and not counted.failed, counted.failed[:5]
    edge.mesh.until(lambda: "edge/late" not in edge.mesh.weft("get", "gw", "secure", "-n", "edge", "-o", "json").out, 5)


def test_a_broken_secret_leaves_what_is_shown(edge: Edge) -> None:
    """A key of another certificate is said to be one, and the last good certificate stays."""
    before = edge.secret("shop", "shop.example.com")
    edge.mesh.until(lambda: edge.serial("shop.example.com") == before, 2)
    chain, _ = edge.ca.leaf("shop.example.com")
    _, key = edge.ca.leaf("shop.example.com")
    broken = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop", "namespace": "edge"}}
    told = edge.mesh.apply(json.dumps({**broken, "type": "kubernetes.io/tls", "stringData": {"tls.crt": chain, "tls.key": key}}))
    assert "not the key of its tls.crt" in told.out + told.err
    assert edge.serial("shop.example.com") == before
    after = edge.secret("shop", "shop.example.com")
    edge.mesh.until(lambda: edge.serial("shop.example.com") == after, 2)


def test_keys_are_neither_logged_nor_shown(edge: Edge) -> None:
    """No log and no configuration dump has a private key; what the node keeps on disk is the owner's alone."""
    assert not any("PRIVATE KEY" in log.read_text(errors="replace") for log in edge.mesh.home.logs.glob("*.log"))
    shown = edge.mesh.weft("proxy", "config", "ingress", "-o", "json").out
    assert "kubernetes://edge/shop" in shown and "PRIVATE KEY" not in shown
    held = [file for file in Path(edge.mesh.home.path).rglob("*.held") if b"PRIVATE KEY" in file.read_bytes()]
    assert held and all(file.stat().st_mode & 0o077 == 0 for file in held)


def test_a_gateway_restarts_with_its_certificates_while_the_control_plane_is_away(edge: Edge) -> None:
    """Its node gives it what it held."""
    with edge.mesh.without("control-plane"):
        edge.mesh.killed("envoy/edge/ingress-0")
        edge.mesh.until(lambda: edge.status("shop.example.com") == 200, 15)
