"""An EnvoyFilter that Envoy refuses is refused when it is written, or taken out of effect alone."""

from typing import Any

import pytest

from controlplane.judged import Json, body, judged, service
from weft.controlplane.quarantine import LEFT_OUT

_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
_FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
_RULES: Json = {"http": [{"route": [{"destination": {"host": "reviews"}}]}]}
_GATEWAY = body(
    "Gateway",
    "edge",
    {"selector": {"app": "edge"}, "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]},
)


def _filter(*patches: Json, name: str = "x", **spec: Any) -> Json:
    return body("EnvoyFilter", name, {"configPatches": list(patches), **spec}, "networking.istio.io/v1alpha3")


def _lua(code: str, **match: Any) -> Json:
    value = {"name": "lua", "typed_config": {"@type": _LUA, "default_source_code": {"inline_string": code}}}
    return {"applyTo": "HTTP_FILTER", "match": match, "patch": {"operation": "INSERT_FIRST", "value": value}}


def _merge(apply_to: str, value: Json, **match: Any) -> Json:
    return {"applyTo": apply_to, "match": match, "patch": {"operation": "MERGE", "value": value}}


_BAD: dict[str, tuple[Json, str]] = {
    "a-script-that-is-no-lua": (_lua("this is no lua"), "script load error"),
    "at-a-gateway": (_lua("nor is this", context="GATEWAY"), "script load error"),
    "inbound": (_lua("nor is this", context="SIDECAR_INBOUND", listener={"portNumber": 9080}), "script load error"),
    "a-cluster": (_merge("CLUSTER", {"lb_policy": "CLUSTER_PROVIDED"}), "cluster provided LB specified"),
    "a-virtual-host": (
        _merge("VIRTUAL_HOST", {"response_headers_to_add": [{"header": {"key": "a", "value": "%METADATA(NONSENSE:x)%"}}]}),
        "NONSENSE",
    ),
    "a-route": (
        _merge("HTTP_ROUTE", {"typed_per_filter_config": {"fault": {"@type": _FAULT, "delay": {"fixed_delay": "0s"}}}}),
        "value must be greater than 0s",
    ),
}


@pytest.mark.parametrize("name", _BAD)
async def test_what_envoy_refuses_is_refused_at_the_door(name: str) -> None:
    """In its words, at the patch."""
    patch, words = _BAD[name]
    async with judged(service(), _GATEWAY) as run:
        findings = await run.errors(_filter(patch))
        assert [(one.code, one.ref.kind, one.ref.field) for one in findings] == [
            ("envoy-refuses", "EnvoyFilter", "spec.configPatches[0]")
        ]
        assert words in findings[0].message


async def test_what_envoy_takes_is_let_in() -> None:
    """On every side."""
    async with judged(service(), _GATEWAY) as run:
        code = 'function envoy_on_response(handle) handle:headers():add("x-lua", "1") end'
        assert not await run.errors(_filter(_lua(code), _merge("CLUSTER", {"connect_timeout": "0.3s"})))


async def test_one_that_is_stored_and_bad_is_left_out_alone() -> None:
    """Rules and other EnvoyFilters of the same listener stay in effect."""
    bad, good = _filter(_lua("no lua"), name="bad"), _filter(_lua("function envoy_on_request(handle) end"), name="good")
    rules = body("VirtualService", "edge", {"hosts": ["*"], "gateways": ["edge"], **_RULES})
    async with judged(service(), _GATEWAY, rules, good, bad) as run:
        await run.quarantine.sweep()
        assert [one.name for one in run.reconciler.translation.mesh.envoy_filters["default"]] == ["good"]
        (finding,) = run.said(bad)
        assert (finding.code, finding.hint) == ("envoy-refuses", LEFT_OUT)
        assert not run.said(good) and not run.said(rules)


async def test_one_for_other_versions_is_not_judged_by_ours() -> None:
    """It changes no proxy that runs today."""
    patch = _lua("no lua", proxy={"proxyVersion": r"^1\.9"})
    async with judged(service()) as run:
        assert not await run.errors(_filter(patch))
