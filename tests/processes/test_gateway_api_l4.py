"""Connections and datagrams through Gateways of a running mesh: TCPRoute, UDPRoute, TLSRoute, ListenerSet, and sessions."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from processes.calls import outside, self_signed
from processes.mesh import RunningMesh, running_mesh

MESH = """
services:
  client: {command: sleep 100000}
  web: {command: weft echo, deploy: {replicas: 3}, x-weft: {ports: [{name: http, port: 80}]}}
  other: {command: weft echo, x-weft: {namespace: team, ports: [{name: http, port: 80}, {name: tcp, port: 5432}]}}
  ingress: {x-weft: {gateway: true, namespace: edge, labels: {gateway.networking.k8s.io/gateway-name: public}}}
"""
ALL = "allowedRoutes: {namespaces: {from: All}}"
GATEWAY = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: public, namespace: edge}}
spec:
  gatewayClassName: weft
  listeners:
  - {{name: http, port: 8088, protocol: HTTP, {ALL}}}
  - {{name: tcp, port: 5432, protocol: TCP, {ALL}}}
  - {{name: dns, port: 53, protocol: UDP, {ALL}}}
  - {{name: tls, port: 8443, protocol: TLS, tls: {{mode: Passthrough}}, {ALL}}}
  allowedListeners: {{namespaces: {{from: All}}}}
"""


def _route(kind: str, name: str, section: str, backend: str, more: str = "", namespace: str = "edge") -> str:
    parent = f"{{name: public, namespace: edge, sectionName: {section}}}"
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{parentRefs: [{parent}], {more}rules: [{{backendRefs: [{{{backend}}}]}}]}}
"""


def _elsewhere(name: str, port: int, transport: str, word: str) -> str:
    """A Service of the namespace edge whose endpoint is a server outside the mesh."""
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: edge}}
spec: {{selector: {{app: {name}}}, ports: [{{name: {word}, port: {port}, protocol: {transport}}}]}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}-0, namespace: edge}}
spec: {{address: 127.0.0.1, ports: {{{word}: {port}}}, labels: {{app: {name}}}}}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file, with the Gateway."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        running.apply(GATEWAY)
        yield running


def _bound(mesh: RunningMesh, port: str) -> int:
    """Where the gateway really listens; 0: not yet."""
    return int(mesh.instances()["ingress-0"]["gatewayPorts"].get(port) or 0)


def _status(mesh: RunningMesh, kind: str, name: str, namespace: str = "edge") -> dict[str, Any]:
    return dict(json.loads(mesh.weft("get", kind, name, "-n", namespace, "-o", "json").out).get("status", {}))


def _said(mesh: RunningMesh, kind: str, name: str, namespace: str = "edge") -> dict[str, str]:
    """The reasons of the conditions, at the first parent of a route."""
    status = _status(mesh, kind, name, namespace)
    of = status["parents"][0] if status.get("parents") else status
    return {one["type"]: one["reason"] for one in of.get("conditions", ())}


def test_a_tcp_route_leads_to_a_service_over_mtls(mesh: RunningMesh) -> None:
    """Bytes pass the gateway to a sidecar of another namespace, once a grant lets the route name its Service."""
    mesh.apply(_route("TCPRoute", "db", "tcp", "name: other, namespace: team, port: 5432"))
    mesh.until(lambda: _said(mesh, "tcproute", "db").get("ResolvedRefs") == "RefNotPermitted", 5)
    mesh.apply(
        """
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: db, namespace: team}
spec: {from: [{group: gateway.networking.k8s.io, kind: TCPRoute, namespace: edge}], to: [{group: "", kind: Service, name: other}]}
"""
    )
    mesh.until(lambda: b'"other"' in _line(_bound(mesh, "5432")), 10)
    mesh.until(lambda: _said(mesh, "tcproute", "db") == {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}, 5)


def _line(port: int) -> bytes:
    """What a connection is answered after one line; nothing when it is closed."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as one:
            one.sendall(b"hello\n")
            return one.recv(65536)
    except OSError:
        return b""


class _Names(threading.Thread):
    """A server of names: it answers every question with its number and one address."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])

    def run(self) -> None:
        """Until the socket is closed."""
        while True:
            try:
                asked, caller = self.socket.recvfrom(2048)
            except OSError:
                return
            answer = asked[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, 1, 0, 0) + asked[12:]
            answer += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes((192, 0, 2, 7))
            self.socket.sendto(answer, caller)


def test_a_udp_route_passes_datagrams_both_ways(mesh: RunningMesh) -> None:
    """Questions for names reach a server behind the gateway, and its answers the caller; the port is told as one of UDP."""
    names = _Names()
    names.start()
    try:
        mesh.apply(_elsewhere("names", names.port, "UDP", "dns"))
        mesh.apply(_route("UDPRoute", "names", "dns", f"name: names, port: {names.port}"))
        mesh.until(lambda: _resolved(_bound(mesh, "53/udp"), 7) == bytes((192, 0, 2, 7)), 10)
        assert [_resolved(_bound(mesh, "53/udp"), number) for number in range(100, 120)] == [bytes((192, 0, 2, 7))] * 20
        assert _said(mesh, "udproute", "names")["Accepted"] == "Accepted"
    finally:
        names.socket.close()


def _resolved(port: int, number: int) -> bytes:
    """The address that is answered to a question; nothing when there is no answer."""
    question = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + b"\x07example\x03com\x00" + struct.pack("!HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(0.5)
        try:
            one.sendto(question, ("127.0.0.1", port))
            answer = one.recv(2048)
        except OSError:
            return b""
    return answer[-4:] if answer[:2] == question[:2] else b""


def test_a_tls_route_passes_what_it_does_not_read(mesh: RunningMesh) -> None:
    """The certificate is the server's own; another name is refused at the gateway."""
    certificate, key = self_signed("far.example.com", mesh.folder)
    with outside(mesh.folder, certificate, key) as port:
        mesh.apply(_elsewhere("far", port, "TCP", "tls"))
        mesh.apply(_route("TLSRoute", "far", "tls", f"name: far, port: {port}", "hostnames: [far.example.com], "))
        mesh.until(lambda: _handshake(_bound(mesh, "8443"), "far.example.com", str(certificate)), 10)
        assert not _handshake(_bound(mesh, "8443"), "else.example.com", str(certificate))


def _handshake(port: int, name: str, authority: str) -> bool:
    context = ssl.create_default_context(cafile=authority)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=3) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            return secure.getpeercert() is not None
    except OSError:
        return False


def test_a_listener_set_opens_a_port_and_closes_it(mesh: RunningMesh) -> None:
    """Its port is served while it is there; the Gateway counts it; when it goes its route has no parent."""
    mesh.apply(
        """
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: team}
spec: {parentRef: {name: public, namespace: edge}, listeners: [{name: http, port: 8089, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: more, namespace: team}
spec: {parentRefs: [{kind: ListenerSet, name: more}], rules: [{backendRefs: [{name: other, port: 80}]}]}
"""
    )
    mesh.until(lambda: mesh.call("http://web.example.com/", proxy=f"127.0.0.1:{_bound(mesh, '8089') or 1}").status == 200, 10)
    mesh.until(lambda: _said(mesh, "listenerset", "more", "team") == {"Accepted": "Accepted", "Programmed": "Programmed"}, 5)
    status = _status(mesh, "listenerset", "more", "team")
    assert status["listeners"][0]["attachedRoutes"] == 1
    mesh.until(lambda: _status(mesh, "gateway", "public")["attachedListenerSets"] == 1, 5)
    mesh.weft("delete", "listenerset", "more", "-n", "team")
    mesh.until(lambda: not _bound(mesh, "8089"), 10)
    mesh.until(lambda: _said(mesh, "httproute", "more", "team")["Accepted"] == "NoMatchingParent", 5)


def test_a_session_keeps_to_the_instance_that_answered_first(mesh: RunningMesh) -> None:
    """With the cookie every request meets one of three instances; without, several."""
    route = _route("HTTPRoute", "web", "http", "name: web, port: 80", namespace="default")
    mesh.apply(route.replace("rules: [{", "rules: [{sessionPersistence: {sessionName: stay}, "))
    at = f"127.0.0.1:{mesh.until(lambda: _bound(mesh, '8088'), 10)}"
    mesh.until(lambda: mesh.call("http://web.example.com/", proxy=at).status == 200, 10)
    first = mesh.call("http://web.example.com/", proxy=at)
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("stay=")
    met = {mesh.call("http://web.example.com/", proxy=at, headers={"Cookie": cookie}).echo["instance"] for _ in range(12)}
    assert met == {first.echo["instance"]}
    assert len({mesh.call("http://web.example.com/", proxy=at).echo["instance"] for _ in range(20)}) > 1
