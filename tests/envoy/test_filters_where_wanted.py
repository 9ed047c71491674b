"""Filters that few routes want are off, and on where a route wants them: also for the very request that brings the route."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from stage import Application, Stage, stage

from weft.model.endpoint import Endpoint
from weft.model.route import Cors, Destination, Exact, Fault, Forward, HttpRoute, RouteSet, WeightedDestination
from weft.model.service import Location, Resolution
from weft.ref import Ref

WEB = "default/web-0"
ORIGIN = Ref("", "VirtualService", "default", "x", "spec.http[0]")
NAMES = ("faulty", "shared", "named")


def _host(name: str) -> str:
    return f"{name}.default.svc.cluster.local"


@pytest.fixture
def wants(tmp_path: Path) -> Iterator[Stage]:
    """web, which has called nobody yet, and services whose routes want a filter each."""
    with stage(tmp_path) as made:
        there = made.workload("default/app-0", Application("app").port)
        for name in ("faulty", "shared"):
            made.service(_host(name), there)
        first, second = (Endpoint("localhost", Application(name).port, "http") for name in ("one", "two"))
        made.service(_host("named"), more=(first, second), location=Location.EXTERNAL, resolution=Resolution.DNS)
        rules = {"faulty": {"fault": Fault(abort_status=555)}, "shared": {"cors": Cors((Exact("https://a.b"),), ("GET",))}}
        made.mesh = replace(made.mesh, routes={_host(name): (_rule(name, **said),) for name, said in rules.items()})
        made.workload(WEB, service_account="web")
        made.start(WEB, "default/app-0")
        yield made
        assert made.rejections() == []


def _rule(name: str, **said: Fault | Cors) -> RouteSet:
    to = Forward((WeightedDestination(Destination(_host(name), "", 9080), 100),))
    return RouteSet((_host(name),), "default", ORIGIN, http=(HttpRoute(to, ORIGIN, **said),))


def test_a_fault_happens_to_the_request_that_brings_the_route(wants: Stage) -> None:
    """A POST with a body to a host nobody called yet meets the fault of its route, as all after it do."""
    calls = [wants.call(WEB, "http://faulty:9080/", method="POST", body="x" * 10_000).status for _ in range(3)]
    assert calls == [555] * 3


def test_cors_marks_the_response_to_the_request_that_brings_the_route(wants: Stage) -> None:
    """A POST with a body to a host nobody called yet is marked as its route's policy says, as all after it are."""
    for _ in range(3):
        got = wants.call(WEB, "http://shared:9080/", method="POST", body="x", headers={"origin": "https://a.b"})
        assert got.headers["access-control-allow-origin"] == "https://a.b"


def test_names_are_resolved_for_the_request_that_brings_the_route(wants: Stage) -> None:
    """A POST with a body to names that nobody called yet is dialled, as all after it are, whichever name is chosen."""
    said = [wants.call(WEB, "http://named:9080/", method="POST", body="x").said for _ in range(30)]
    assert {one["instance"] for one in said} == {"one", "two"}


def test_hosts_outside_pass_from_the_first_request(wants: Stage) -> None:
    """A POST with a body to a host outside that nobody called yet passes, as all after it do."""
    port = Application("outside").port
    said = [wants.call(WEB, f"http://localhost:{port}/", method="POST", body="x").said for _ in range(3)]
    assert [one["instance"] for one in said] == ["outside"] * 3
