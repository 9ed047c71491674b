"""What many resources cost: to apply with kubectl, and to change one among them."""

import json
import os
import statistics
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from processes.calls import kubectl, needs
from processes.mesh import CONTROL_PLANE, RunningMesh, running_mesh

MESH = """
services:
  client: {command: sleep 100000}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
"""
NETWORKING = "networking.istio.io/v1"
RULES = f"/apis/{NETWORKING}/namespaces/default/virtualservices"
CHANGES = 40

Json = dict[str, Any]


@pytest.fixture
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """A mesh of its own for each test."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def resource(api_version: str, kind: str, name: str, **spec: Any) -> Json:
    """A resource."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def service(name: str) -> Json:
    """A Service of one port."""
    return resource("v1", "Service", name, selector={"app": name}, ports=[{"name": "http", "port": 80}])


def rules(name: str, value: str = "") -> Json:
    """A VirtualService for the service of the same name."""
    told = {"headers": {"request": {"set": {"x-told": value}}}} if value else {}
    route = [{"destination": {"host": name}}]
    return resource(NETWORKING, "VirtualService", name, hosts=[name], http=[{"route": route, **told}])


def mixed(number: int) -> list[Json]:
    """Six objects of six kinds."""
    name = f"app-{number}"
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [f"{name}.example.com"]}
    tls = {"number": 443, "name": "tls", "protocol": "TLS"}
    outside = {"hosts": [f"{name}.example.org"], "ports": [tls], "resolution": "DNS"}
    parent = {"kind": "Service", "group": "", "name": name}
    backend = {"backendRefs": [{"name": f"{name}-b", "port": 80}]}
    return [
        service(name),
        rules(name),
        resource(NETWORKING, "DestinationRule", name, host=name, trafficPolicy={"loadBalancer": {"simple": "RANDOM"}}),
        resource(NETWORKING, "Gateway", name, selector={"istio": "edge"}, servers=[server]),
        resource(NETWORKING, "ServiceEntry", name, **outside),
        resource("gateway.networking.k8s.io/v1", "HTTPRoute", name, parentRefs=[parent], rules=[backend]),
    ]


@needs("kubectl")
def test_kubectl_applies_five_hundred_objects_in_ten_seconds(mesh: RunningMesh) -> None:
    """Services, VirtualServices, DestinationRules, Gateways, ServiceEntries and HTTPRoutes, mixed; kubectl does not wait between
    its requests. On a machine that others use as well the CPU counts that kubectl and the control plane took."""
    objects = [each for one in range(84) for each in mixed(one)][:500]
    file = mesh.folder / "objects.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    process = psutil.Process(mesh.processes()[CONTROL_PLANE])
    before, own, began = _cpu(process), os.times(), time.monotonic()
    done = kubectl(mesh, "apply", "-f", str(file), timeout=100)
    wall, now = time.monotonic() - began, os.times()
    cpu = _cpu(process) - before + now.children_user + now.children_system - own.children_user - own.children_system
    print(f"500 objects in {wall:.1f} s, {cpu:.1f} s of CPU")
    assert done.out.count(" created") == 500
    assert "throttl" not in done.err
    assert min(wall, cpu) < 10


def test_one_of_two_thousand_costs_what_one_of_twenty_costs(mesh: RunningMesh) -> None:
    """A change of a VirtualService whose host a sidecar holds: the control plane's CPU for judging, translating, compiling and
    pushing it among 2,000 is at most three times that among 20."""
    _add(mesh, 0, 20)
    few = _cost(mesh, "few")
    _add(mesh, 20, 2000)
    many = _cost(mesh, "many")
    print(f"a change costs {few * 1000:.1f} ms among 20, {many * 1000:.1f} ms among 2000: {many / few:.2f} times")
    assert many <= 3 * few


def _add(mesh: RunningMesh, first: int, last: int) -> None:
    with mesh.api() as api:
        for begin in range(first, last, 500):
            names = [f"app-{number}" for number in range(begin, min(begin + 500, last))]
            objects = [made for name in names for made in (service(name), rules(name))]
            assert api.request("POST", "/weft/v1/apply", {"objects": objects})["applied"]
    with mesh.api() as api:
        api.request("POST", "/weft/v1/apply", {"objects": [rules("reviews", "begin")]})
    mesh.until(lambda: _told(mesh) == "begin", 60)


def _told(mesh: RunningMesh) -> str:
    found = mesh.call("http://reviews:9080/")
    return str(found.echo["headers"].get("x-told", "")) if found.status == 200 else ""


def _cost(mesh: RunningMesh, word: str) -> float:
    """Seconds of CPU for one change, without what the control plane does at rest: the median of five rounds."""
    process = psutil.Process(mesh.processes()[CONTROL_PLANE])
    found = []
    for number in range(5):
        resting = _cpu(process)
        began = time.monotonic()
        time.sleep(1)
        rest = (_cpu(process) - resting) / (time.monotonic() - began)
        before, began = _cpu(process), time.monotonic()
        for change in range(CHANGES):
            with mesh.api() as api:
                api.request("PATCH", f"{RULES}/reviews", rules("reviews", f"{word}-{number}-{change}"), content_type=MERGE)
        mesh.until(lambda number=number: _told(mesh) == f"{word}-{number}-{CHANGES - 1}")
        found.append((_cpu(process) - before - rest * (time.monotonic() - began)) / CHANGES)
    return statistics.median(found)


MERGE = "application/merge-patch+json"


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
