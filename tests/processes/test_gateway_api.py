"""The Gateway API in a running mesh: routes at a gateway and between services, grants, and statuses as kubectl shows them."""

import json
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from processes.calls import kubectl, needs, self_signed
from processes.mesh import Answer, RunningMesh, running_mesh

MESH = """
services:
  client: {command: sleep 100000}
  web-v1: {command: weft echo, x-weft: {ports: [{name: http, port: 80}]}}
  web-v2: {command: weft echo, x-weft: {ports: [{name: http, port: 80}]}}
  far: {command: weft echo, x-weft: {namespace: other, ports: [{name: http, port: 80}]}}
  ingress: {x-weft: {gateway: true, namespace: edge, labels: {gateway.networking.k8s.io/gateway-name: public}}}
"""
GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: edge}
spec:
  gatewayClassName: weft
  listeners:
  - {name: http, port: 8088, protocol: HTTP, hostname: "*.example.com", allowedRoutes: {namespaces: {from: All}}}
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: default}
spec:
  parentRefs: [{name: public, namespace: edge}]
  hostnames: [web.example.com]
  rules:
  - backendRefs: [{name: web-v1, port: 80}]
  - matches: [{path: {value: /split}}]
    backendRefs: [{name: web-v1, port: 80, weight: 3}, {name: web-v2, port: 80, weight: 1}]
  - matches: [{headers: [{name: version, value: two}]}]
    backendRefs: [{name: web-v2, port: 80}]
  - matches: [{path: {type: Exact, value: /split/exact}}]
    backendRefs: [{name: web-v2, port: 80}]
  - matches: [{path: {value: /old}}]
    filters:
    - {type: RequestRedirect, requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}, statusCode: 301}}
  - matches: [{path: {value: /secure}}]
    filters: [{type: RequestRedirect, requestRedirect: {scheme: https, hostname: safe.example.com}}]
  - matches: [{path: {value: /api}}]
    filters:
    - {type: URLRewrite, urlRewrite: {hostname: inner.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /v1}}}
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-part, value: "50%"}]}}
    backendRefs: [{name: web-v1, port: 80}]
  - matches: [{path: {value: /far}}]
    backendRefs: [{name: far, namespace: other, port: 80}]
  - matches: [{path: {value: /none}}]
"""
GRANT = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: web, namespace: other}
spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}], to: [{group: "", kind: Service}]}
"""
PRODUCER = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: producer, namespace: default}
spec:
  parentRefs: [{group: "", kind: Service, name: web-v1, port: 80}]
  rules:
  - matches: [{path: {value: /two}}]
    backendRefs: [{name: web-v2, port: 80}]
  - backendRefs: [{name: web-v1, port: 80}]
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file, with the Gateway and its route."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        running.apply(GATEWAY)
        running.apply(ROUTE)
        running.until(lambda: call(running, "/").status == 200, 10)
        yield running


def call(mesh: RunningMesh, path: str, host: str = "web.example.com", **headers: str) -> Answer:
    """A request at the gateway."""
    port = mesh.instances()["ingress-0"]["gatewayPorts"].get("8088")
    return mesh.call(path, proxy=f"127.0.0.1:{port}", headers={"Host": host, **headers}) if port else Answer(0, "", 0, {})


def status(mesh: RunningMesh, kind: str, name: str, namespace: str) -> dict[str, Any]:
    """The status of a resource."""
    found = json.loads(mesh.weft("get", kind, name, "-n", namespace, "-o", "json").out)
    return dict(found.get("status", {}))


def conditions(of: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition."""
    return {one["type"]: (one["status"], one["reason"]) for one in of.get("conditions", ())}


def test_the_more_specific_match_wins_whatever_the_order(mesh: RunningMesh) -> None:
    """Exact path, longest prefix, header: the rules were written the other way round."""
    assert call(mesh, "/").echo["service"] == "web-v1"
    assert call(mesh, "/x", version="two").echo["service"] == "web-v2"
    assert call(mesh, "/split/exact").echo["service"] == "web-v2"
    assert call(mesh, "/splitter").echo["service"] == "web-v1"
    assert call(mesh, "/", host="other.example.com").status == 404


def test_weights_split(mesh: RunningMesh) -> None:
    """Three to one is about three quarters."""
    seen = Counter(call(mesh, "/split/x").echo["service"] for _ in range(200))
    assert 120 <= seen["web-v1"] <= 180


def test_redirects_and_rewrites(mesh: RunningMesh) -> None:
    """A prefix is replaced by whole segments; a percent sign in a header is one; a scheme's own port is not written."""
    moved = call(mesh, "/old/page?q=1")
    assert (moved.status, moved.headers["location"]) == (301, "http://web.example.com/page?q=1")
    secure = call(mesh, "/secure")
    assert (secure.status, secure.headers["location"]) == (302, "https://safe.example.com/secure")
    echo = call(mesh, "/api/users").echo
    assert (echo["path"], echo["headers"]["host"], echo["headers"]["x-part"]) == ("/v1/users", "inner.example", "50%")


def test_a_rule_without_a_backend_answers_500(mesh: RunningMesh) -> None:
    """Nothing to go to is an error of the route, said with its name."""
    answer = call(mesh, "/none")
    assert (answer.status, "HTTPRoute default/web" in answer.body) == (500, True)


def test_a_grant_opens_another_namespace(mesh: RunningMesh) -> None:
    """Without a ReferenceGrant a backend of another namespace is refused with a 500, with one it is reached."""
    assert call(mesh, "/far").status == 500
    assert conditions(status(mesh, "httproute", "web", "default")["parents"][0])["ResolvedRefs"] == ("False", "RefNotPermitted")
    mesh.apply(GRANT)
    mesh.until(lambda: call(mesh, "/far").status == 200, 5)
    assert call(mesh, "/far").echo["service"] == "far"
    mesh.until(lambda: _resolved(mesh) == ("True", "ResolvedRefs"), 5)


def _resolved(mesh: RunningMesh) -> tuple[str, str]:
    return conditions(status(mesh, "httproute", "web", "default")["parents"][0])["ResolvedRefs"]


def test_a_route_of_a_service_holds_in_the_mesh(mesh: RunningMesh) -> None:
    """A producer's route splits calls to its Service by path, for callers beside it."""
    assert mesh.call("http://web-v1/two").echo["service"] == "web-v1"
    mesh.apply(PRODUCER)
    mesh.until(lambda: mesh.call("http://web-v1/two").echo["service"] == "web-v2", 5)
    assert mesh.call("http://web-v1/").echo["service"] == "web-v1"


@needs("kubectl")
def test_kubectl_shows_statuses(mesh: RunningMesh) -> None:
    """Class, Gateway and routes are accepted, programmed and counted; `kubectl get gateway` is the Gateway API's."""
    mesh.until(lambda: conditions(status(mesh, "gtw", "public", "edge")).get("Programmed") == ("True", "Programmed"), 5)
    found = status(mesh, "gateway", "public", "edge")
    (listener,) = found["listeners"]
    assert (listener["attachedRoutes"], conditions(listener)["Accepted"]) == (1, ("True", "Accepted"))
    columns = kubectl(mesh, "get", "gateway", "-n", "edge").out.split()
    assert columns[:9] == ["NAME", "CLASS", "ADDRESS", "PROGRAMMED", "AGE", "public", "weft", "127.0.0.1", "True"]
    assert "mesh.weft.dev/gateway" in kubectl(mesh, "get", "gatewayclass", "weft").out
    done = kubectl(mesh, "wait", "--for=condition=Accepted", "gatewayclass/weft", "--timeout=5s")
    assert "met" in done.out


def test_a_condition_that_stays_keeps_its_time(mesh: RunningMesh) -> None:
    """A new generation is observed, and the time of the transition is the old one."""
    (before,) = status(mesh, "httproute", "web", "default")["parents"]
    mesh.apply(ROUTE.replace("weight: 3", "weight: 2"))

    def observed() -> Any:
        (now,) = status(mesh, "httproute", "web", "default")["parents"]
        return now if now["conditions"][0]["observedGeneration"] > before["conditions"][0]["observedGeneration"] else None

    after = mesh.until(observed, 5)
    assert after["controllerName"] == "mesh.weft.dev/gateway"
    assert after["conditions"][0]["lastTransitionTime"] == before["conditions"][0]["lastTransitionTime"]


GRPC = """
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: calls, namespace: default}
spec:
  parentRefs: [{name: public, namespace: edge, sectionName: https}]
  rules:
  - matches: [{method: {service: shop.Carts, method: Add}}]
    backendRefs: [{name: web-v2, port: 80}]
  - backendRefs: [{name: web-v1, port: 80}]
"""


def test_https_ends_at_a_listener_with_files(mesh: RunningMesh) -> None:
    """A certificate of the gateway's node is served; a GRPCRoute attaches, and its methods are told apart."""
    certificate, key = self_signed("calls.example.com", mesh.folder)
    options = f"{{mesh.weft.dev/certificate-file: {certificate}, mesh.weft.dev/private-key-file: {key}}}"
    rest = "hostname: calls.example.com, allowedRoutes: {namespaces: {from: All}}"
    mesh.apply(f"{GATEWAY}  - {{name: https, port: 8443, protocol: HTTPS, tls: {{options: {options}}}, {rest}}}\n")
    mesh.apply(GRPC)
    mesh.until(lambda: _tls_call(mesh, certificate, "/shop.Carts/Add") == "web-v2", 10)
    assert _tls_call(mesh, certificate, "/shop.Carts/Remove") == "web-v1"


def _tls_call(mesh: RunningMesh, certificate: Any, path: str) -> str:
    """The service that answers at the HTTPS listener; empty while none does."""
    port = mesh.instances()["ingress-0"]["gatewayPorts"].get("8443")
    if not port:
        return ""
    context = ssl.create_default_context(cafile=str(certificate))
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="calls.example.com") as secure,
        ):
            secure.sendall(f"GET {path} HTTP/1.1\r\nHost: calls.example.com\r\nConnection: close\r\n\r\n".encode())
            text = b"".join(iter(lambda: secure.recv(65536), b"")).decode()
    except OSError:
        return ""
    head, _, body = text.partition("\r\n\r\n")
    return str(json.loads(body)["service"]) if " 200 " in head.splitlines()[0] else ""
