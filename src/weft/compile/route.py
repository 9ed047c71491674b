"""The Envoy route: a match of a rule, and what is done then.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto

Its metadata names the field of the operator's resource that it was made from, so that an access log can say why. Timeouts are
Istio's: none unless the operator wrote one. An idle stream is cut only before it has a route (while it waits for one, or sends
its headers too slowly), never after.
"""

import re
from collections.abc import Iterator
from typing import Any

from envoy.config.route.v3.route_components_pb2 import (
    DirectResponseAction,
    RedirectAction,
    RetryPolicy,
    Route,
    RouteAction,
    WeightedCluster,
)
from google.protobuf.any_pb2 import Any as AnyMessage

from weft.compile import metadata
from weft.compile.filters import cors, dynamic_forward_proxy, fault, set_filter_state, stateful_session
from weft.compile.header import header, header_edits, without_host
from weft.compile.percent import fractional_percent
from weft.compile.retry import DEFAULT, is_by_method, may_repeat, retry_policy, unsafe
from weft.compile.route_match import route_match
from weft.compile.scope.inputs import ConnectMatch, RouteInput, Split, Target
from weft.envoy.names import CALLING_IDENTITY, CALLING_WORKLOAD, PASSTHROUGH, parse_outbound
from weft.envoy.types import duration, packed
from weft.model.route import (
    NO_EDIT,
    DirectResponse,
    Fault,
    HttpMatch,
    PathPrefix,
    Redirect,
)
from weft.model.traffic import HashKey, HashOnCaller, HashOnCookie, HashOnHeader, HashOnQuery, HashOnSourceIp

_REDIRECT_CODES = {301: "MOVED_PERMANENTLY", 302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT"}


def routes(of: RouteInput) -> Iterator[Route]:
    """The route; before it, where nobody said what is tried again, the same for requests that must not be repeated."""
    retries = of.retries or DEFAULT
    fallback = isinstance(of.action, Split) and any(target.members for target in of.action.targets)
    if isinstance(of.action, Split) and isinstance(of.match, HttpMatch) and is_by_method(retries):
        if not may_repeat(of.match):
            first = _route(of, retry_policy(retries, fallback=fallback))
            first.match.headers.extend(unsafe())
            yield first
        yield _route(of, retry_policy(retries, True, fallback))
    else:
        yield _route(of, retry_policy(retries, fallback=fallback))


def _route(of: RouteInput, retries: RetryPolicy | None) -> Route:
    request, host = without_host(of.request_headers)
    message = Route(
        name=of.name,
        match=route_match(of.match),
        metadata=metadata.origin(of.origin),
        typed_per_filter_config=_per_filter(of),
        stat_prefix=of.stat_prefix,
        **header_edits(request, of.response_headers),
    )
    match of.action:
        case Split(targets):
            message.route.CopyFrom(_route_action(of, targets, host, retries))
        case Redirect():
            message.redirect.CopyFrom(_redirect_action(of.action, of.match))
        case DirectResponse(status, body, content_type):
            message.direct_response.CopyFrom(DirectResponseAction(status=status, body={"inline_bytes": body} if body else None))
            if content_type:
                message.response_headers_to_add.append(header("content-type", content_type, "OVERWRITE_IF_EXISTS_OR_ADD"))
    return message


def clusters_of(of: RouteInput) -> set[str]:
    """The clusters the route sends to, copies included."""
    targets = of.action.targets if isinstance(of.action, Split) else ()
    sent = {name for target in targets for name in (target.cluster, *target.members)}
    return sent | {mirror.cluster for mirror in of.mirrors}


def hold_of(of: RouteInput) -> float:
    """Seconds for which a request on this route may yet need its clusters: a delay, then tries until the timeout."""
    delay = of.fault.delay or 0.0 if of.fault else 0.0
    retries = of.retries or DEFAULT
    tries = (retries.attempts + 1) * (retries.per_try_timeout or 0.0)
    return delay + (of.timeout or tries)


def _per_filter(of: RouteInput) -> dict[str, AnyMessage]:
    config = {}
    if of.fault:
        config[fault.NAME] = packed(fault.http_fault(of.fault))
    if of.cors:
        config[cors.NAME] = packed(cors.cors_policy(of.cors))
    if of.session and isinstance(of.action, Split):
        config[stateful_session.NAME] = packed(stateful_session.session(of.session))
    if isinstance(of.action, Split) and any(_may_forward(target) for target in of.action.targets):
        config[dynamic_forward_proxy.NAME] = packed(dynamic_forward_proxy.as_asked())
        if _is_single(of.action.targets) and (dial := of.action.targets[0].dial):
            config[set_filter_state.NAME] = packed(set_filter_state.dial(*dial))
    return config


def _may_forward(to: Target) -> bool:
    """Whether the cluster may be one that resolves the name it is asked for: a name is given, or any host is meant."""
    outbound = parse_outbound(to.cluster)
    return to.dial is not None or to.cluster == PASSTHROUGH or (outbound is not None and outbound[2].startswith("*"))


def _is_single(targets: tuple[Target, ...]) -> bool:
    one = targets[0]
    return len(targets) == 1 and one.request_headers == NO_EDIT and one.response_headers == NO_EDIT and not one.answer


def _route_action(of: RouteInput, targets: tuple[Target, ...], host: str, retries: RetryPolicy | None) -> RouteAction:
    action = RouteAction(
        timeout=duration(of.timeout or 0),
        idle_timeout=duration(0),
        retry_policy=retries,
        request_mirror_policies=[
            {"cluster": one.cluster, "runtime_fraction": {"default_value": fractional_percent(one.percent)}} for one in of.mirrors
        ],
        hash_policy=_hash_policies(of, targets),
        **({"cluster": targets[0].cluster} if _is_single(targets) else {"weighted_clusters": _weighted(targets, of.sticky)}),
        **_rewrite(of, host),
    )
    if isinstance(of.match, ConnectMatch):
        if tunnel := next((target.tunnel for target in targets if target.tunnel), None):
            action.upgrade_configs.add(upgrade_type="CONNECT")  # what the caller asks of us is asked of the next proxy
            action.host_rewrite_literal = tunnel.authority
        else:
            action.upgrade_configs.add(upgrade_type="CONNECT", connect_config={})
    return action


def _weighted(targets: tuple[Target, ...], sticky: HashKey | None) -> WeightedCluster:
    by_hash = {"use_hash_policy": {"value": True}} if sticky and len(targets) > 1 else {}
    return WeightedCluster(clusters=[_cluster_weight(target) for target in targets], **by_hash)


def _hash_policies(of: RouteInput, targets: tuple[Target, ...]) -> list[dict[str, Any]]:
    """What keeps a request in its part of a split comes first, and alone where it is there: Envoy has one hash for both."""
    first = [_hash_policy(of.sticky) | {"terminal": True}] if of.sticky and len(targets) > 1 else []
    return first + [_hash_policy(key) for key in of.hash_keys if not first or key != of.sticky]


def _cluster_weight(of: Target) -> WeightedCluster.ClusterWeight:
    request, host = without_host(of.request_headers)
    filters = {set_filter_state.NAME: packed(set_filter_state.dial(*of.dial))} if of.dial else {}
    if of.answer:
        filters[fault.NAME] = packed(fault.http_fault(Fault(abort_status=of.answer)))
    return WeightedCluster.ClusterWeight(
        name=of.cluster,
        weight={"value": of.weight},
        typed_per_filter_config=filters,
        **header_edits(request, of.response_headers),
        **({"host_rewrite_literal": host} if host else {}),
    )


def _rewrite(of: RouteInput, host: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    rewrite = of.rewrite
    if authority := host or (rewrite.authority if rewrite else ""):
        fields["host_rewrite_literal"] = authority
    if rewrite is None:
        return fields
    if rewrite.regex:
        fields["regex_rewrite"] = _substitution(*rewrite.regex)
    elif rewrite.path:
        fields["regex_rewrite"] = _substitution(".*", rewrite.path.replace("\\", "\\\\"), whole=True)
    elif rewrite.prefix:
        fields |= _prefix_rewrite(of.match, rewrite.prefix)
    return fields


def _prefix_rewrite(match: HttpMatch | ConnectMatch, prefix: str) -> dict[str, Any]:
    """A prefix of whole segments replaced by `/` must not leave two slashes, nor the path empty; `/` itself, replaced by
    something else, must leave one."""
    path = match.path if isinstance(match, HttpMatch) else None
    if path == PathPrefix("/") and not prefix.endswith("/"):
        return {"prefix_rewrite": f"{prefix}/"}
    if isinstance(path, PathPrefix) and prefix.endswith("/") and (matched := path.value.rstrip("/")):
        return {"regex_rewrite": _substitution(f"^{re.escape(matched)}/*", prefix.replace("\\", "\\\\"))}
    return {"prefix_rewrite": prefix}


def _substitution(pattern: str, text: str, whole: bool = False) -> dict[str, Any]:
    return {"pattern": {"regex": f"^{pattern}$" if whole else pattern}, "substitution": text}


def _hash_policy(of: HashKey) -> dict[str, Any]:
    match of:
        case HashOnHeader(name):
            return {"header": {"header_name": name}}
        case HashOnCookie(name, ttl, path, attributes):
            said = [{"name": key, "value": value} for key, value in attributes]
            made = {} if ttl is None else {"ttl": duration(ttl)}
            return {"cookie": {"name": name, "path": path, "attributes": said, **made}}
        case HashOnQuery(name):
            return {"query_parameter": {"name": name}}
        case HashOnCaller(identity):
            return {"filter_state": {"key": CALLING_IDENTITY if identity else CALLING_WORKLOAD}}
        case HashOnSourceIp():
            return {"connection_properties": {"source_ip": True}}


def _redirect_action(of: Redirect, match: HttpMatch | ConnectMatch) -> RedirectAction:
    fields: dict[str, Any] = {"response_code": _REDIRECT_CODES.get(of.code, "MOVED_PERMANENTLY")}
    if of.scheme:
        fields["scheme_redirect"] = of.scheme
    if of.authority:
        fields["host_redirect"] = of.authority
    if of.port:
        fields["port_redirect"] = of.port
    elif of.derive_port == "FROM_PROTOCOL_DEFAULT" and of.scheme and not of.authority:
        fields["port_redirect"] = 443 if of.scheme == "https" else 80
    if of.path:
        fields["path_redirect"] = of.path
    elif of.prefix:
        fields |= _prefix_rewrite(match, of.prefix)
    return RedirectAction(**fields)
