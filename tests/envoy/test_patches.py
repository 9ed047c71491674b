"""EnvoyFilters come and go while an Envoy runs, on both sides of a call."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stage import Application, Stage, stage

from weft.model.mesh import Mesh, Settings
from weft.resource.decode import decode
from weft.translate.mesh import translation

WEB = "default/web-0"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


def _marking(name: str, **match: Any) -> dict[str, Any]:
    code = f'function envoy_on_response(handle) handle:headers():add("x-{name}", "yes") end'
    value = {"name": name, "typed_config": {"@type": _LUA, "default_source_code": {"inline_string": code}}}
    return {"applyTo": "HTTP_FILTER", "match": match, "patch": {"operation": "INSERT_FIRST", "value": value}}


def _patched(mesh: Mesh, *patches: dict[str, Any]) -> Mesh:
    raw = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "marks", "namespace": "default"},
        "spec": {"configPatches": list(patches)},
    }
    resource = decode(raw).resource
    assert resource
    return replace(mesh, envoy_filters=translation(Settings(), [resource]).mesh.envoy_filters)


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[Stage]:
    """web and reviews, on Envoys that know of no EnvoyFilter yet."""
    with stage(tmp_path) as made:
        there = made.workload("default/reviews-0", Application("reviews").port)
        for host in ("reviews", "other"):
            made.service(f"{host}.default.svc.cluster.local", there)
        made.workload(WEB, service_account="web")
        made.start(WEB, "default/reviews-0")
        yield made
        assert made.rejections() == []


def _marks(of: Stage, host: str = "reviews") -> set[str]:
    answer = of.call(WEB, f"http://{host}:9080/", method="POST", body="x")
    assert answer.status == 200
    return {name for name in ("x-inbound", "x-outbound") if name in answer.headers}


def test_filters_come_and_go_on_both_sides(playing: Stage) -> None:
    """What a patch inserts runs a moment later at the caller and at the called, and no more when it is gone."""
    assert _marks(playing) == set()
    plain = playing.mesh
    both = (_marking("inbound", context="SIDECAR_INBOUND"), _marking("outbound", context="SIDECAR_OUTBOUND"))
    playing.publish(_patched(plain, *both))
    assert playing.eventually(lambda: _marks(playing) == {"x-inbound", "x-outbound"})
    playing.publish(plain)
    assert playing.eventually(lambda: _marks(playing) == set())


def test_a_filter_runs_for_the_request_that_brings_its_route(playing: Stage) -> None:
    """A POST with a body to a host that nobody called yet passes it once."""
    playing.publish(_patched(playing.mesh, _marking("outbound", context="SIDECAR_OUTBOUND")))
    assert playing.eventually(lambda: _marks(playing) == {"x-outbound"})
    answer = playing.call(WEB, "http://other:9080/", method="POST", body="x")
    assert answer.headers["x-outbound"] == "yes"
