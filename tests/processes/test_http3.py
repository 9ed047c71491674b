"""HTTP/3 at a gateway, called by a client of another project (aioquic)."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

from processes.issuer import Issuer, issuer
from processes.mesh import RunningMesh, running_mesh

MESH = """
services:
  client: {command: sleep 100000}
  web: {command: weft echo, x-weft: {ports: [{name: http, port: 80}]}}
  ingress: {x-weft: {gateway: true, labels: {istio: ingress}}}
"""
RULES = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure, namespace: default, annotations: {mesh.weft.dev/http3: "true"}}
spec:
  selector: {istio: ingress}
  servers:
  - port: {number: 8443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [shop.example.com]
  gateways: [secure]
  http: [{route: [{destination: {host: web, port: {number: 80}}}]}]
"""


@dataclass
class Answer:
    """What came back."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Client(QuicConnectionProtocol):
    """A connection for one request."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self._http = H3Connection(self._quic)
        self._answer = Answer()
        self._done = asyncio.get_running_loop().create_future()

    async def get(self, host: str) -> Answer:
        """A GET of the root."""
        stream = self._quic.get_next_available_stream_id()
        said = {":method": "GET", ":scheme": "https", ":authority": host, ":path": "/"}
        self._http.send_headers(stream, [(name.encode(), value.encode()) for name, value in said.items()], end_stream=True)
        self.transmit()
        async with asyncio.timeout(5):
            await self._done
        return self._answer

    def quic_event_received(self, event: QuicEvent) -> None:
        """Collects the answer."""
        for one in self._http.handle_event(event):
            if isinstance(one, HeadersReceived):
                self._answer.headers |= {name.decode(): value.decode() for name, value in one.headers}
            if isinstance(one, DataReceived):
                self._answer.body += one.data
            if getattr(one, "stream_ended", False) and not self._done.done():
                self._done.set_result(None)


def http3(port: int, ca: Issuer, folder: Path, host: str = "shop.example.com") -> Answer:
    """What a GET over HTTP/3 gets."""
    trusted = folder / "ca.pem"
    trusted.write_text(ca.pem)
    settings = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=host, idle_timeout=5)
    settings.load_verify_locations(str(trusted))

    async def call() -> Answer:
        async with connect("127.0.0.1", port, configuration=settings, create_protocol=Client) as client:
            assert isinstance(client, Client)
            return await client.get(host)

    return asyncio.run(call())


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningMesh, Issuer]]:
    """A mesh with a gateway that speaks HTTP/3."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        ca = issuer()
        secret(running, ca)
        running.apply(RULES)
        running.until(lambda: "8443/udp" in running.instances()["ingress-0"].get("gatewayPorts", {}), 10)
        yield running, ca


def secret(mesh: RunningMesh, ca: Issuer) -> None:
    """A new certificate for the gateway."""
    chain, key = ca.leaf("shop.example.com")
    said = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop", "namespace": "default"}}
    mesh.apply(json.dumps({**said, "type": "kubernetes.io/tls", "stringData": {"tls.crt": chain, "tls.key": key}}))


def test_a_gateway_answers_in_http3(mesh: tuple[RunningMesh, Issuer], tmp_path: Path) -> None:
    """The same host, certificate and routes as over TCP; the answer says where HTTP/3 is."""
    running, ca = mesh
    port = int(running.instances()["ingress-0"]["gatewayPorts"]["8443/udp"])
    found = http3(port, ca, tmp_path)
    assert found.headers[":status"] == "200" and json.loads(found.body)["service"] == "web"
    assert found.headers["alt-svc"] == 'h3=":8443"; ma=86400'


def test_a_certificate_rotates_for_http3_as_well(mesh: tuple[RunningMesh, Issuer], tmp_path: Path) -> None:
    """After another authority's certificate came, who trusts only the new one gets through."""
    running, _ = mesh
    port = int(running.instances()["ingress-0"]["gatewayPorts"]["8443/udp"])
    other = issuer("another authority")
    secret(running, other)

    def trusted() -> bool:
        try:
            return http3(port, other, tmp_path).headers[":status"] == "200"
        except (ConnectionError, TimeoutError):
            return False

    running.until(trusted, 10)
