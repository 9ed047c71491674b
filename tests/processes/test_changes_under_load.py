"""What changes the order, name or number of rules loses no request: Envoy has names from content, never from position."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from processes.load import steady
from processes.mesh import RunningMesh, running_mesh

MESH = """
services:
  client: {command: sleep 100000}
  reviews-v1: {command: weft echo, x-weft: {service: reviews, version: v1, ports: [{name: http, port: 9080}]}}
  reviews-v2: {command: weft echo, x-weft: {service: reviews, version: v2, ports: [{name: http, port: 9080}]}}
  ingress: {x-weft: {gateway: true, labels: {istio: ingressgateway}}}
"""
RULES = "/apis/networking.istio.io/v1/namespaces/default"
ROUNDS = 15
"""Of all changes."""

Json = dict[str, Any]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh with two versions of a service, called from inside and from outside."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def resource(kind: str, name: str, spec: Json) -> Json:
    """A resource of Istio's."""
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def rule(name: str, subset: str, **more: Any) -> Json:
    """A rule to one version."""
    return {"name": name, "route": [{"destination": {"host": "reviews", "subset": subset}}], **more}


def splits(first: str, second: str) -> Json:
    """A rule to both versions, in an order."""
    return {"route": [{"destination": {"host": "reviews", "subset": each}, "weight": 50} for each in (first, second)]}


def subsets(*names: str) -> Json:
    """The versions, in an order."""
    found = [{"name": name, "labels": {"version": name}} for name in names]
    return resource("DestinationRule", "reviews", {"host": "reviews", "subsets": found})


def gateway(*ports: int) -> Json:
    """The servers of the gateway, in an order."""
    servers = [{"port": {"number": port, "name": f"http-{port}", "protocol": "HTTP"}, "hosts": ["*"]} for port in ports]
    return resource("Gateway", "edge", {"selector": {"istio": "ingressgateway"}, "servers": servers})


def virtual_service(*rules: Json) -> Json:
    """Rules for reviews, in the mesh and at the gateway."""
    spec = {"hosts": ["reviews", "shop.example.com"], "gateways": ["mesh", "edge"], "http": list(rules)}
    return resource("VirtualService", "reviews", spec)


A = rule("a", "v1", match=[{"uri": {"prefix": "/a"}}])
B = rule("b", "v2", match=[{"uri": {"prefix": "/b"}}])
LAST = splits("v1", "v2")
CHANGES = {
    "the order of rules": virtual_service(B, A, LAST),
    "the name of a rule": virtual_service({**A, "name": "renamed"}, B, LAST),
    "a rule more": virtual_service(A, B, rule("c", "v2", match=[{"uri": {"exact": "/c"}}]), LAST),
    "a rule less": virtual_service(A, LAST),
    "the order of destinations": virtual_service(A, B, splits("v2", "v1")),
    "the order of subsets": subsets("v2", "v1"),
    "a subset more": subsets("v1", "v2", "v3"),
    "the order of subsets with one more": subsets("v3", "v2", "v1"),
    "the order of servers": gateway(8081, 8080),
    "a server more": gateway(8080, 8081, 8082),
    "a server less": gateway(8080, 8081),
}


def test_no_request_is_lost(mesh: RunningMesh) -> None:
    """Rules are reordered, renamed, added and removed, destinations, subsets and servers change places, all while requests flow
    through a sidecar and a gateway, and each change arrives."""
    _apply(mesh, subsets("v1", "v2"), virtual_service(A, B, LAST), gateway(8080, 8081))
    mesh.until(lambda: mesh.call("http://reviews:9080/a").status == 200)
    port = mesh.until(lambda: mesh.instances()["ingress-0"]["gatewayPorts"].get("8080"))
    mesh.until(lambda: mesh.call("http://shop.example.com/", proxy=f"127.0.0.1:{port}").status == 200)
    with (
        mesh.steady("reviews:9080", connections=16, pause=2) as split,
        mesh.steady("reviews:9080", path="/a") as named,
        steady(f"127.0.0.1:{port}", "shop.example.com") as edge,
    ):
        for _ in range(ROUNDS):
            for change in CHANGES.values():
                _apply(mesh, change)
                time.sleep(0.03)
        _apply(mesh, subsets("v1", "v2"), virtual_service(B, A, rule("last", "v2")))
        mesh.until(lambda: mesh.call("http://reviews:9080/").echo["version"] == "v2")
    split.assert_whole(1000)
    named.assert_whole()
    edge.assert_whole()


def _apply(mesh: RunningMesh, *objects: Json) -> None:
    with mesh.api() as api:
        assert api.request("POST", "/weft/v1/apply", {"objects": list(objects)})["applied"]
