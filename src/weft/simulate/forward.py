"""Where a route forwards, and as what.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction
"""

from collections.abc import Mapping
from dataclasses import replace

from envoy.config.route.v3.route_components_pb2 import RetryPolicy, Route, RouteAction, VirtualHost, WeightedCluster
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.set_filter_state.v3.set_filter_state_pb2 import Config as SetFilterState
from google.protobuf.any_pb2 import Any

from weft.envoy.names import CALLING_IDENTITY, CALLING_WORKLOAD
from weft.simulate import filters, pattern
from weft.simulate.call import HttpCall
from weft.simulate.destination import destination
from weft.simulate.header_edit import Level, changed, request_changes, response_changes
from weft.simulate.held import Held, Unreadable, unpacked
from weft.simulate.outcome import Copy, Forwarded, HeaderChange, Request, Retries, Share
from weft.simulate.path import split
from weft.simulate.percent import percent
from weft.simulate.redirect import matched_path

_DIAL = "envoy.filters.http.set_filter_state"
_HOST, _PORT = "envoy.upstream.dynamic_host", "envoy.upstream.dynamic_port"


def forwarded(held: Held, config: RouteConfiguration, host: VirtualHost, of: Route, call: HttpCall) -> Forwarded:
    """The forwarding of `call` by a route of a virtual host."""
    action = of.route
    outer: tuple[Level, ...] = (of, host, config)
    return Forwarded(
        _shares(held, outer, of, call),
        action.timeout.ToMilliseconds() / 1000 if action.HasField("timeout") else 15.0,
        _retries(action.retry_policy) if action.HasField("retry_policy") else None,
        tuple(Copy(one.cluster, percent(one.runtime_fraction.default_value)) for one in action.request_mirror_policies),
        *_hashes(action),
        session=filters.session(of),
    )


def _shares(held: Held, outer: tuple[Level, ...], of: Route, call: HttpCall) -> tuple[Share, ...]:
    match of.route.WhichOneof("cluster_specifier"):
        case "cluster":
            return (_share(held, of, call, of.route.cluster, 100.0, outer, "", of.typed_per_filter_config),)
        case "weighted_clusters":
            parts = of.route.weighted_clusters.clusters
            total = sum(one.weight.value for one in parts) or 1
            return tuple(_weighted(held, of, call, one, 100 * one.weight.value / total, outer) for one in parts)
    raise Unreadable(f"a route to {of.route.WhichOneof('cluster_specifier')}")


def _weighted(
    held: Held, of: Route, call: HttpCall, part: WeightedCluster.ClusterWeight, share: float, outer: tuple[Level, ...]
) -> Share:
    if answered := filters.abort(part):
        return Share(part.name, share, answer=answered)
    configs = {**of.typed_per_filter_config, **part.typed_per_filter_config}
    return _share(held, of, call, part.name, share, (part, *outer), part.host_rewrite_literal, configs)


def _share(
    held: Held,
    of: Route,
    call: HttpCall,
    cluster: str,
    share: float,
    levels: tuple[Level, ...],
    host: str,
    configs: Mapping[str, Any],
) -> Share:
    if call.method == "CONNECT":
        asked = any(one.upgrade_type == "CONNECT" and not one.HasField("connect_config") for one in of.route.upgrade_configs)
        there = destination(held, cluster, share, call.authority, _dialled(configs))
        return replace(there, tunnel=str(of.route.host_rewrite_literal) if asked else "")
    changes = request_changes(levels)
    seen = Request(_authority(of.route, host or call.authority, changes), _path(of, call), changed(call.headers, changes))
    there = destination(held, cluster, share, call.authority, _dialled(configs))
    return Share(there.cluster, share, there.endpoints, there.tls, seen, response_changes(levels), there.places)


def _authority(of: RouteAction, otherwise: str, changes: tuple[HeaderChange, ...]) -> str:
    if any(one.name in ("host", ":authority") for one in changes):
        raise Unreadable("a header edit that names the host")
    match of.WhichOneof("host_rewrite_specifier"):
        case None:
            return otherwise
        case "host_rewrite_literal":
            return str(of.host_rewrite_literal)
    raise Unreadable(f"a host that is rewritten by {of.WhichOneof('host_rewrite_specifier')}")


def _path(of: Route, call: HttpCall) -> str:
    """The path as rewritten; the query stays."""
    path, query = split(call.path)
    action = of.route
    if action.prefix_rewrite:
        return str(action.prefix_rewrite) + path[len(matched_path(of, path)) :] + query
    if action.HasField("regex_rewrite"):
        return pattern.replaced(action.regex_rewrite.pattern.regex, path, action.regex_rewrite.substitution) + query
    if action.HasField("path_rewrite_policy"):
        raise Unreadable("a path rewrite policy")
    return call.path


def _dialled(configs: Mapping[str, Any]) -> str:
    """The name and port that the route says to dial; empty when it says none."""
    config = unpacked(configs[_DIAL], SetFilterState) if _DIAL in configs else None
    if config is None:
        return ""
    said = {one.object_key: one.format_string.text_format_source.inline_string for one in config.on_request_headers}
    return f"{said[_HOST]}:{said[_PORT]}" if _HOST in said else ""


def _retries(of: RetryPolicy) -> Retries:
    return Retries(
        of.num_retries.value if of.HasField("num_retries") else 1,
        tuple(part.strip() for part in of.retry_on.split(",") if part.strip()),
        tuple(of.retriable_status_codes),
        of.per_try_timeout.ToMilliseconds() / 1000,
        of.retry_back_off.base_interval.ToMilliseconds() / 1000,
    )


def _hashes(of: RouteAction) -> tuple[tuple[str, ...], str]:
    """What keeps requests on one endpoint, and what keeps them in one part of a split."""
    keys = [_hash(one) for one in of.hash_policy]
    if not of.weighted_clusters.use_hash_policy.value:
        return tuple(keys), ""
    return tuple(keys[1:]), keys[0]


def _hash(of: RouteAction.HashPolicy) -> str:
    match of.WhichOneof("policy_specifier"):
        case "header":
            return f"header {of.header.header_name}"
        case "cookie":
            return f"cookie {of.cookie.name}"
        case "query_parameter":
            return f"query parameter {of.query_parameter.name}"
        case "connection_properties":
            return "source address"
        case "filter_state":
            return {CALLING_WORKLOAD: "workload", CALLING_IDENTITY: "identity"}[of.filter_state.key]
    raise Unreadable(f"a hash of {of.WhichOneof('policy_specifier')}")
