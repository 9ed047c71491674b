"""What EnvoyFilters make of the resources of a proxy."""

from typing import Any

import yaml
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager

from weft.compile.snapshot import Cache, ProxySnapshot, snapshot
from weft.envoy.names import HTTP_PROXY_ROUTES
from weft.model.labels import Labels
from weft.model.mesh import Mesh, Settings
from weft.model.workload import Address, InboundPort, Proxy, Upstream, Workload
from weft.resource.decode import decode
from weft.translate.mesh import translation

_SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
"""
_GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec: {selector: {app: edge}, servers: [{port: {number: 80, name: web, protocol: HTTP}, hosts: ["*"]}]}
"""
_LUA = {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua", "default_source_code": {"inline_string": "x"}}
_MANAGER = "envoy.filters.network.http_connection_manager"
_ROUTER = {"filterChain": {"filter": {"name": _MANAGER, "subFilter": {"name": "envoy.filters.http.router"}}}}
_HOST = "reviews.default.svc.cluster.local"


def _patch(apply_to: str, operation: str, value: Any = None, **match: Any) -> dict[str, Any]:
    patch = {"operation": operation} | ({} if value is None else {"value": value})
    return {"applyTo": apply_to, "match": match, "patch": patch}


def _filter(*patches: dict[str, Any], name: str = "x", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "creationTimestamp": spec.pop("created", "")}
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": meta,
        "spec": {"configPatches": list(patches), **spec},
    }


def _lua(name: str = "lua", **match: Any) -> dict[str, Any]:
    return _patch("HTTP_FILTER", "INSERT_BEFORE", {"name": name, "typed_config": _LUA}, **match)


def _mesh(*filters: dict[str, Any]) -> Mesh:
    raw = [yaml.safe_load(_SERVICE), yaml.safe_load(_GATEWAY), *filters]
    decoded = [decode(one) for one in raw]
    assert not [finding for one in decoded for finding in one.findings if one.resource is None], [one.findings for one in decoded]
    return translation(Settings(), [one.resource for one in decoded if one.resource]).mesh


def _sidecar(*labels: tuple[str, str], **said: Any) -> Proxy:
    inbound = (InboundPort("http", 8080, "http", Address("127.0.0.1", 20000), Address("127.0.0.1", 20001)),)
    known = {"envoy_version": "1.40.1", **said}
    return Proxy(Workload("default", "web", "web", labels), http_proxy=Address("127.0.0.1", 15001), inbound=inbound, **known)


_EDGE = Proxy(Workload("default", "edge", "edge", (("app", "edge"),)), gateway=True)


def _held(proxy: Proxy, *filters: dict[str, Any]) -> ProxySnapshot:
    return snapshot(_mesh(*filters), proxy, Cache())


def _managers(held: ProxySnapshot, listener: str) -> list[HttpConnectionManager]:
    found = next(Listener.FromString(one.body) for one in held.listeners() if one.name == listener)
    managers = []
    for chain in found.filter_chains:
        for one in chain.filters:
            manager = HttpConnectionManager()
            if one.typed_config.Unpack(manager):
                managers.append(manager)
    return managers


def _names(held: ProxySnapshot, listener: str) -> list[str]:
    return [one.name for one in _managers(held, listener)[0].http_filters]


def _cluster(held: ProxySnapshot, name: str = f"outbound|9080||{_HOST}") -> Cluster:
    found = held.cluster(name)
    assert found
    return Cluster.FromString(found.body)


def _host(held: ProxySnapshot, host: str = "reviews:9080") -> VirtualHost:
    return VirtualHost.FromString(held.virtual_host(HTTP_PROXY_ROUTES, host).body)


def test_a_filter_is_inserted_before_the_router_on_both_sides() -> None:
    """A patch without a context is for inbound and outbound listeners and for gateways."""
    patch = _lua(listener=_ROUTER)
    for listener in ("http_proxy", "connect_inner", "inbound|8080"):
        assert _names(_held(_sidecar(), _filter(patch)), listener)[-2:] == ["lua", "envoy.filters.http.router"]
    assert _names(_held(_EDGE, _filter(patch)), "0.0.0.0_80")[-2:] == ["lua", "envoy.filters.http.router"]


def test_a_context_is_one_side() -> None:
    """An inbound patch leaves the outbound listener as it was."""
    held = _held(_sidecar(), _filter(_lua(context="SIDECAR_INBOUND", listener=_ROUTER)))
    assert "lua" in _names(held, "inbound|8080") and "lua" not in _names(held, "http_proxy")


def test_nothing_stands_before_what_fetches_the_routes() -> None:
    """INSERT_FIRST, and INSERT_BEFORE without a filter, insert after `on_demand`."""
    for operation in ("INSERT_FIRST", "INSERT_BEFORE"):
        held = _held(_sidecar(), _filter(_patch("HTTP_FILTER", operation, {"name": "lua", "typed_config": _LUA})))
        assert _names(held, "http_proxy")[:2] == ["envoy.filters.http.on_demand", "lua"]


def test_nothing_is_added_behind_the_router() -> None:
    """ADD stands before the filter that ends the chain."""
    held = _held(_sidecar(), _filter(_patch("HTTP_FILTER", "ADD", {"name": "lua", "typed_config": _LUA})))
    assert _names(held, "http_proxy")[-2:] == ["lua", "envoy.filters.http.router"]


def test_filters_are_removed_and_replaced() -> None:
    """REMOVE takes the named filter out, REPLACE puts another in its place; names from before Envoy 1.14 are understood."""
    fault = {"filterChain": {"filter": {"name": "envoy.http_connection_manager", "subFilter": {"name": "envoy.fault"}}}}
    assert "envoy.filters.http.fault" not in _names(
        _held(_sidecar(), _filter(_patch("HTTP_FILTER", "REMOVE", listener=fault))), "http_proxy"
    )
    made = _held(_sidecar(), _filter(_patch("HTTP_FILTER", "REPLACE", {"name": "lua", "typed_config": _LUA}, listener=fault)))
    before = _names(_held(_sidecar()), "http_proxy")
    assert _names(made, "http_proxy") == ["lua" if one == "envoy.filters.http.fault" else one for one in before]


def test_the_connection_manager_is_merged() -> None:
    """A MERGE of the network filter changes what it names and keeps the rest."""
    value = {
        "name": _MANAGER,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "server_name": "shop",
            "request_headers_timeout": "3s",
            "use_remote_address": False,
            "upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}],
        },
    }
    patch = _patch(
        "NETWORK_FILTER",
        "MERGE",
        value,
        context="GATEWAY",
        listener={"portNumber": 80, "filterChain": {"filter": {"name": _MANAGER}}},
    )
    (manager,) = _managers(_held(_EDGE, _filter(patch)), "0.0.0.0_80")
    (before,) = _managers(_held(_EDGE), "0.0.0.0_80")
    assert (manager.server_name, manager.request_headers_timeout.seconds, manager.use_remote_address.value) == ("shop", 3, False)
    assert len(manager.upgrade_configs) == 1 and manager.http_filters == before.http_filters


def test_a_patch_for_another_port_is_for_another_listener() -> None:
    """A gateway's patch with a port, or the name of Istio's listener, is for that listener alone."""
    for match in ({"portNumber": 81}, {"name": "0.0.0.0_81"}):
        assert "lua" not in _names(_held(_EDGE, _filter(_lua(listener={**match, **_ROUTER}))), "0.0.0.0_80")
    for match in ({"portNumber": 80}, {"name": "0.0.0.0_80"}, {"portName": "web"}):
        assert "lua" in _names(_held(_EDGE, _filter(_lua(listener={**match, **_ROUTER}))), "0.0.0.0_80")


def test_istios_inbound_listener_is_every_inbound_port() -> None:
    """`virtualInbound` and 15006 mean all, the number of a port means its own."""
    for match in (
        {"name": "virtualInbound"},
        {"portNumber": 15006},
        {"portNumber": 8080},
        {"filterChain": {"destinationPort": 8080}},
    ):
        assert "lua" in _names(_held(_sidecar(), _filter(_lua(listener=match))), "inbound|8080"), match
    assert "lua" not in _names(_held(_sidecar(), _filter(_lua(listener={"portNumber": 9}))), "inbound|8080")


def test_a_filter_for_one_port_outbound_is_off_for_hosts_of_others() -> None:
    """One listener serves all ports: the virtual hosts of other ports switch the filter off."""
    held = _held(_sidecar(), _filter(_lua(context="SIDECAR_OUTBOUND", listener={"portNumber": 9080, **_ROUTER})))
    assert "lua" in _names(held, "http_proxy")
    assert "lua" not in _host(held).typed_per_filter_config
    assert "lua" in _host(held, "other.example.com").typed_per_filter_config


def test_clusters_are_merged() -> None:
    """Durations and wrapped numbers are replaced, and circuit breakers of one priority are one."""
    value = {"connect_timeout": "0.25s", "circuit_breakers": {"thresholds": [{"max_connections": 7}]}}
    for match in ({"service": _HOST}, {"portNumber": 9080}, {"name": f"outbound|9080||{_HOST}"}, {}):
        found = _cluster(_held(_sidecar(), _filter(_patch("CLUSTER", "MERGE", value, cluster=match))))
        (limit,) = found.circuit_breakers.thresholds
        assert (found.connect_timeout.seconds, found.connect_timeout.nanos, limit.max_connections.value) == (0, 250_000_000, 7)
        assert limit.HasField("retry_budget")
    for match in ({"service": "other"}, {"portNumber": 1}, {"subset": "v1"}):
        assert (
            _cluster(_held(_sidecar(), _filter(_patch("CLUSTER", "MERGE", value, cluster=match)))).connect_timeout.seconds == 10
        )


def test_added_clusters_and_those_that_filters_send_to_are_eager() -> None:
    """Nobody asks for them by name."""
    authorization = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "grpc_service": {"envoy_grpc": {"cluster_name": f"outbound|9080||{_HOST}"}},
    }
    extra = {"name": "extra", "type": "STATIC", "connect_timeout": "1s"}
    value = {"name": "authorization", "typed_config": authorization}
    held = _held(_sidecar(), _filter(_patch("CLUSTER", "ADD", extra), _patch("HTTP_FILTER", "INSERT_FIRST", value)))
    assert held.eager_clusters() == ("extra", f"outbound|9080||{_HOST}")
    assert _cluster(held, "extra").type == Cluster.STATIC
    assert _held(_sidecar()).eager_clusters() == ()


def test_a_removed_cluster_has_no_endpoints() -> None:
    """Routes still name it."""
    held = _held(_sidecar(), _filter(_patch("CLUSTER", "REMOVE", cluster={"service": _HOST})))
    assert _cluster(held).type == Cluster.STATIC and not _cluster(held).load_assignment.endpoints


def test_virtual_hosts_and_routes_are_merged_by_istios_names() -> None:
    """A name is matched without the prefix of what is told on demand, and with the port."""
    value = {"response_headers_to_add": [{"header": {"key": "x-a", "value": "1"}}]}
    for vhost in ({"name": f"{_HOST}:9080"}, {"domainName": "reviews"}, {}):
        held = _held(
            _sidecar(), _filter(_patch("VIRTUAL_HOST", "MERGE", value, routeConfiguration={"name": "9080", "vhost": vhost}))
        )
        assert [one.header.key for one in _host(held).response_headers_to_add] == ["x-a"], vhost
    match = {"portNumber": 9080, "vhost": {"name": f"{_HOST}:9080", "route": {"name": "default", "action": "ROUTE"}}}
    held = _held(_sidecar(), _filter(_patch("HTTP_ROUTE", "MERGE", {"route": {"timeout": "3s"}}, routeConfiguration=match)))
    assert _host(held).routes[-1].route.timeout.seconds == 3 and _host(held).routes[-1].route.cluster
    held = _held(_sidecar(), _filter(_patch("VIRTUAL_HOST", "MERGE", value, routeConfiguration={"name": "9081"})))
    assert not _host(held).response_headers_to_add


def test_routes_are_inserted_after_those_of_tunnels() -> None:
    """A route that comes first stands before all others that requests meet."""
    value = {"name": "new", "match": {"prefix": "/x"}, "direct_response": {"status": 418}}
    held = _held(_sidecar(), _filter(_patch("HTTP_ROUTE", "INSERT_FIRST", value)))
    assert [one.name for one in _host(held).routes][:2] == ["connect", "new"]


def test_an_added_virtual_host_keeps_its_domains_to_itself() -> None:
    """What is told on demand leaves them out: Envoy refuses a domain that is there twice."""
    value = {
        "name": "mine",
        "domains": ["reviews:9080", "*"],
        "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 204}}],
    }
    held = _held(_sidecar(), _filter(_patch("VIRTUAL_HOST", "ADD", value, context="SIDECAR_OUTBOUND")))
    assert "reviews:9080" not in _host(held, "reviews.default:9080").domains
    routes = held.route_configuration(HTTP_PROXY_ROUTES)
    assert routes and [tuple(one.domains) for one in RouteConfiguration.FromString(routes.body).virtual_hosts] == [
        ("reviews:9080",)
    ]


def test_inbound_routes_have_istios_names() -> None:
    """Those of their configuration, virtual host and route."""
    match = {"name": "inbound|8080||", "vhost": {"name": "inbound|http|8080", "route": {"name": "default"}}}
    patch = _patch("HTTP_ROUTE", "MERGE", {"route": {"timeout": "3s"}}, context="SIDECAR_INBOUND", routeConfiguration=match)
    found = _held(_sidecar(), _filter(patch)).route_configuration("inbound|8080||")
    assert found
    assert RouteConfiguration.FromString(found.body).virtual_hosts[0].routes[0].route.timeout.seconds == 3


def test_an_upstream_is_known_by_the_port_it_stands_for() -> None:
    """And by the name that Istio's listener of that port has."""
    proxy = _sidecar(upstreams=(Upstream("reviews", 9080, Address("127.0.0.1", 7001)),))
    for match in ({"portNumber": 9080}, {"name": "0.0.0.0_9080"}):
        assert "lua" in _names(_held(proxy, _filter(_lua(listener=match))), "upstream|7001")
    assert "lua" not in _names(_held(proxy, _filter(_lua(listener={"portNumber": 7001}))), "upstream|7001")


def test_extension_configurations_are_written_where_they_are_named() -> None:
    """A filter that asks for one that is nowhere is left out: it would wait for ever."""
    discovery = {"config_source": {"ads": {}}, "type_urls": [_LUA["@type"]]}
    named = _patch("HTTP_FILTER", "INSERT_FIRST", {"name": "mine", "config_discovery": discovery})
    lost = _patch("HTTP_FILTER", "INSERT_FIRST", {"name": "lost", "config_discovery": discovery})
    there = _patch("EXTENSION_CONFIG", "ADD", {"name": "mine", "typed_config": _LUA})
    manager = _managers(_held(_sidecar(), _filter(named, lost, there)), "http_proxy")[0]
    found = [one for one in manager.http_filters if one.name in ("mine", "lost")]
    assert [(one.name, one.WhichOneof("config_type"), one.typed_config.type_url) for one in found] == [
        ("mine", "typed_config", _LUA["@type"])
    ]


def test_listeners_are_added_removed_and_merged() -> None:
    """By the names they are known by."""
    extra = {"name": "extra", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 9}}}
    held = _held(
        _sidecar(), _filter(_patch("LISTENER", "ADD", extra), _patch("LISTENER", "REMOVE", listener={"name": "inbound|8080"}))
    )
    assert [one.name for one in held.listeners()] == ["http_proxy", "connect_inner", "extra"]
    merged = _held(
        _sidecar(),
        _filter(_patch("LISTENER", "MERGE", {"per_connection_buffer_limit_bytes": 9}, listener={"name": "http_proxy"})),
    )
    assert [Listener.FromString(one.body).per_connection_buffer_limit_bytes.value for one in merged.listeners()] == [9, 0, 0]


def test_filter_chains_and_listener_filters_are_patched() -> None:
    """Chains by their name or what they match, listener filters by their name."""
    gone = _patch("FILTER_CHAIN", "REMOVE", listener={"name": "inbound|8080", "filterChain": {"transportProtocol": "tls"}})
    quiet = _patch(
        "LISTENER_FILTER", "REMOVE", listener={"name": "inbound|8080", "listenerFilter": "envoy.filters.listener.tls_inspector"}
    )
    held = _held(_sidecar(), _filter(gone, quiet))
    found = Listener.FromString(held.listeners()[-1].body)
    assert [one.name for one in found.filter_chains] == ["plaintext"] and not found.listener_filters


def test_the_root_namespace_comes_first_then_priority_then_age() -> None:
    """Each lays over the last: so the last one applied is seen."""

    def timeout(seconds: int, name: str, **said: Any) -> dict[str, Any]:
        return _filter(_patch("CLUSTER", "MERGE", {"connect_timeout": f"{seconds}s"}), name=name, **said)

    both = (timeout(1, "late", priority=10), timeout(2, "early", priority=-10))
    assert _cluster(_held(_sidecar(), *both)).connect_timeout.seconds == 1
    rooted = (timeout(3, "root", namespace="istio-system", priority=99), *both)
    assert _cluster(_held(_sidecar(), *rooted)).connect_timeout.seconds == 1
    aged = (timeout(4, "b", created="2026-01-01T00:00:00Z"), timeout(5, "a", created="2026-01-02T00:00:00Z"))
    assert _cluster(_held(_sidecar(), *aged)).connect_timeout.seconds == 5


def test_selectors_versions_and_metadata_choose_proxies() -> None:
    """A proxy that is not chosen shares what it always had."""
    plain, seen = _held(_sidecar()), []
    for spec, match in (
        ({"workloadSelector": {"labels": {"app": "web"}}}, {}),
        ({}, {"proxy": {"proxyVersion": r"^1\.40\..*"}}),
        ({}, {"proxy": {"metadata": {"NAMESPACE": "default"}}}),
    ):
        one = _filter(_patch("CLUSTER", "MERGE", {"connect_timeout": "3s"}, **match), **spec)
        for labels, version in (((("app", "web"),), "1.40.1"), ((("app", "other"),), "1.39.0")):
            seen.append(_cluster(_held(_sidecar(*labels, envoy_version=version), one)).connect_timeout.seconds)
    assert seen == [3, 10, 3, 10, 3, 3]
    assert plain.listeners() == _held(_sidecar(), _filter(_lua(), namespace="elsewhere")).listeners()


def test_a_gateway_of_the_gateway_api_is_a_target() -> None:
    """It is served by the workloads that carry its name."""
    named: Labels = (("app", "edge"), ("gateway.networking.k8s.io/gateway-name", "front"))
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "front"}
    patch = _filter(_lua(listener=_ROUTER), targetRefs=[target])
    assert "lua" in _names(_held(Proxy(Workload("default", "edge", "edge", named), gateway=True), patch), "0.0.0.0_80")
    assert "lua" not in _names(_held(_EDGE, patch), "0.0.0.0_80")


def test_what_is_patched_names_the_patch_and_is_shared() -> None:
    """The EnvoyFilter is among the origins; equal proxies and equal meshes get the same object."""
    mesh, cache = _mesh(_filter(_patch("CLUSTER", "MERGE", {"connect_timeout": "3s"}))), Cache()
    one = snapshot(mesh, _sidecar(), cache).cluster(f"outbound|9080||{_HOST}")
    assert one and "EnvoyFilter default/x spec.configPatches[0]" in map(str, one.origins)
    again = snapshot(_mesh(_filter(_patch("CLUSTER", "MERGE", {"connect_timeout": "3s"}))), _sidecar(("a", "b")), cache)
    assert again.cluster(one.name) is one
