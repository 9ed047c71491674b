"""What our own rules let pass and Envoy refuses is refused when it is written, in Envoy's words."""

from typing import Any

import pytest

from controlplane.judged import (
    BAD_ROUTE,
    ENVOYS_WORDS,
    HOST,
    TO_REVIEWS,
    Json,
    body,
    destination_rule,
    judged,
    service,
    virtual_service,
)
from weft.controlplane.canary.canary import Refusal
from weft.controlplane.refusals import said
from weft.envoy.names import outbound_cluster
from weft.envoy.types import CLUSTER, EnvoyResource
from weft.resource.decode import decode


def header(value: str) -> Json:
    """A rule that sets a header."""
    return {**TO_REVIEWS, "headers": {"request": {"set": {"a": value}}}}


def matched(**match: Any) -> Json:
    """A rule with a match."""
    return {**TO_REVIEWS, "match": [match]}


RULE = "spec.http[0]"
REFUSED: dict[str, tuple[Json, str, str]] = {
    "metadata-of-nothing": (virtual_service(BAD_ROUTE), RULE, ENVOYS_WORDS),
    "filter-state": (virtual_service(header("%FILTER_STATE(a:WRONG)%")), RULE, "Invalid filter state serialize type"),
    "expression": (virtual_service(header("%CEL(bad bad)%")), RULE, "extraneous input 'bad'"),
    "precision": (virtual_service(header("%COMMON_DURATION(A:B:xx)%")), RULE, "Invalid common duration precision: xx"),
    "two-alternatives": (virtual_service(header("%REQ(x?y?z)%")), RULE, "More than 1 alternative header specified"),
    "length-of-a-header": (virtual_service(header("%REQ(x):99999999999999999999%")), RULE, "Couldn't find valid command"),
    "second-rule": (virtual_service(matched(uri={"exact": "/a"}), BAD_ROUTE), "spec.http[1]", ENVOYS_WORDS),
    "only-for-some-callers": (virtual_service({**BAD_ROUTE, "match": [{"sourceLabels": {"a": "b"}}]}), RULE, ENVOYS_WORDS),
    "only-from-a-namespace": (virtual_service({**BAD_ROUTE, "match": [{"sourceNamespace": "far"}]}), RULE, ENVOYS_WORDS),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_envoy_refuses_is_refused_at_the_door(name: str) -> None:
    """With one finding, at the field that says it."""
    written, field, words = REFUSED[name]
    async with judged(service()) as run:
        (finding,) = await run.errors(written)
        assert (finding.code, finding.ref.kind, finding.ref.field) == ("envoy-refuses", written["kind"], field)
        assert words in finding.message


async def test_what_envoy_takes_is_let_in() -> None:
    """And asked once."""
    async with judged(service()) as run:
        good = virtual_service(header("%REQ(x)%")), destination_rule({"loadBalancer": {"simple": "ROUND_ROBIN"}})
        assert not await run.errors(*good)
        asked = run.canary.questions
        assert not await run.errors(*good)
        assert run.canary.questions == asked


async def test_of_several_written_together_the_guilty_is_named() -> None:
    """The others are not mentioned, though the virtual host is made from all of them."""
    async with judged(service()) as run:
        hashed = destination_rule({"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}})
        (finding,) = await run.errors(hashed, virtual_service(BAD_ROUTE))
        assert finding.ref.kind == "VirtualService"


async def test_nobody_is_refused_for_what_is_broken_already() -> None:
    """A good policy is let in beside a stored rule that Envoy refuses."""
    async with judged(service(), virtual_service(BAD_ROUTE)) as run:
        assert not await run.errors(destination_rule({"loadBalancer": {"simple": "RANDOM"}}))


async def test_a_rule_bound_to_a_gateway_is_judged_there() -> None:
    """Though no caller in the mesh follows it."""
    servers = [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]
    gateway = body("Gateway", "edge", {"selector": {"app": "edge"}, "servers": servers})
    async with judged(service(), gateway) as run:
        outside = body("VirtualService", "x", {"hosts": ["a.example.com"], "gateways": ["edge"], "http": [BAD_ROUTE]})
        (finding,) = await run.errors(outside)
        assert (finding.ref.name, finding.ref.field) == ("x", RULE)
        assert ENVOYS_WORDS in finding.message


async def test_a_wildcard_is_judged() -> None:
    """By a name of its kind."""
    spec: Json = {"hosts": ["*.example.com"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "resolution": "NONE"}
    async with judged(body("ServiceEntry", "outside", spec)) as run:
        rules = body("VirtualService", "x", {"hosts": ["*.example.com"], "http": [{**BAD_ROUTE, **_to("www.example.com")}]})
        (finding,) = await run.errors(rules)
        assert finding.ref.kind == "VirtualService"


def _to(host: str) -> Json:
    return {"route": [{"destination": {"host": host}}]}


def test_a_policy_is_named_where_it_speaks_of_the_cluster() -> None:
    """The subset's own word stands over that of the whole."""
    policy = {"loadBalancer": {"simple": "RANDOM"}}
    labelled = {"labels": {"v": "1"}}
    subsets = [{"name": "v1", **labelled}, {"name": "v2", **labelled, "trafficPolicy": policy}]
    resource = decode(destination_rule(policy, subsets=subsets)).resource
    assert resource
    fields = []
    for subset in ("", "v1", "v2"):
        refused = EnvoyResource(CLUSTER, outbound_cluster(9080, subset, HOST), b"x", "1", origins=(resource.ref,))
        fields.append(said("envoy-refuses", Refusal(refused, "no"), resource).ref.field)
    assert fields == ["spec.trafficPolicy", "spec.trafficPolicy", "spec.subsets[1].trafficPolicy"]


async def test_a_deletion_is_never_refused() -> None:
    """Nothing is written that could be to blame."""
    async with judged(service(), virtual_service(BAD_ROUTE, name=HOST)) as run:
        assert not await run.errors()
