"""Filters that few routes want cost nothing on the other routes."""

from dataclasses import replace

from envoy.config.route.v3.route_components_pb2 import FilterConfig, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from meshes import REVIEWS, Location, mesh, proxy, rule, rules, service

from weft.compile.filters import cors, dynamic_forward_proxy, fault, on_demand, router, set_filter_state
from weft.compile.filters.order import KNOWN_HOSTS, OUTBOUND, WHERE_WANTED, http_filters, switched_off
from weft.compile.snapshot import Cache, snapshot
from weft.model.mesh import Mesh
from weft.model.route import Cors, Exact, Fault
from weft.model.service import Resolution

POLICY = Cors((Exact("https://a.b"),))


def _wanted(of: Mesh, host: str) -> set[str]:
    found = snapshot(of, proxy(), Cache()).virtual_host("http_proxy", host)
    return {name for route in VirtualHost.FromString(found.body).routes for name in route.typed_per_filter_config}


def test_what_few_routes_want_is_switched_off() -> None:
    """A route configuration switches off every filter of the chains but the one that asks for hosts and the one that forwards."""
    found = snapshot(mesh(), proxy(), Cache()).route_configuration("http_proxy")
    assert found
    said = RouteConfiguration.FromString(found.body).typed_per_filter_config
    assert set(said) == set(WHERE_WANTED) == set(switched_off())
    for config in said.values():
        assert FilterConfig.FromString(config.value).disabled
    always = {on_demand.NAME, router.NAME}
    assert {one.name for chain in (OUTBOUND, KNOWN_HOSTS) for one in http_filters(chain)} == set(WHERE_WANTED) | always


def test_no_filter_is_off_in_the_chain_itself() -> None:
    """A request that brings its route passes a chain made before it: what is off there stays off for that request."""
    assert not any(one.disabled for one in http_filters(OUTBOUND))


def test_a_route_switches_on_what_it_wants() -> None:
    """A plain route wants none of these filters; a fault, a CORS policy, and names to resolve want theirs."""
    for said, wanted in (({}, set()), ({"fault": Fault(abort_status=500)}, {fault.NAME}), ({"cors": POLICY}, {cors.NAME})):
        routes = {REVIEWS: (rules(REVIEWS, replace(rule(), **said)),)}
        assert _wanted(mesh(service(), routes=routes), "reviews:9080") == wanted


def test_hosts_outside_are_resolved() -> None:
    """Whatever may go to a name switches the resolution on: undeclared hosts, wildcards, and endpoints that are names."""
    outside = {"namespace": "default", "location": Location.EXTERNAL}
    of = mesh(
        service("*.any.com", resolution=Resolution.DNS, **outside),
        service("named.com", resolution=Resolution.DNS, **outside),
    )
    assert _wanted(of, "undeclared.com") == {dynamic_forward_proxy.NAME}
    assert _wanted(of, "x.any.com:9080") == {dynamic_forward_proxy.NAME}
    assert _wanted(of, "named.com:9080") == {dynamic_forward_proxy.NAME, set_filter_state.NAME}
