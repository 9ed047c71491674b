"""What filters do before the router: answer preflights and mark responses (CORS), and make trouble on purpose.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/http_filters
"""

from envoy.config.route.v3.route_components_pb2 import FilterConfig, Route, VirtualHost, WeightedCluster
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.cors.v3.cors_pb2 import CorsPolicy
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.http.stateful_session.v3.stateful_session_pb2 import StatefulSessionPerRoute
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager
from envoy.extensions.http.stateful_session.cookie.v3.cookie_pb2 import CookieBasedSessionState
from envoy.extensions.http.stateful_session.header.v3.header_pb2 import HeaderBasedSessionState
from envoy.type.matcher.v3.string_pb2 import StringMatcher

from weft.simulate.call import HttpCall
from weft.simulate.held import Unreadable, unpacked
from weft.simulate.outcome import Answered, Fault, HeaderChange
from weft.simulate.percent import percent
from weft.simulate.route_match import values
from weft.simulate.text_match import matches

CORS, FAULT = "envoy.filters.http.cors", "envoy.filters.http.fault"
_SESSION = "envoy.filters.http.stateful_session"
_UNDERSTOOD = (
    "cors",
    "dynamic_forward_proxy",
    "ext_authz",
    "fault",
    "grpc_web",
    "jwt_authn",
    "on_demand",
    "rbac",
    "router",
    "set_filter_state",
    "stateful_session",
)
_TYPES = tuple(f"type.googleapis.com/envoy.extensions.filters.http.{one}." for one in _UNDERSTOOD)


def there(manager: HttpConnectionManager) -> frozenset[str]:
    """The names of the filters that a request passes, if its route does not switch them off."""
    return frozenset(one.name for one in manager.http_filters)


def unread(manager: HttpConnectionManager, levels: tuple[Route, VirtualHost, RouteConfiguration]) -> tuple[str, ...]:
    """The filters on a request's way of which nothing is known here."""
    return tuple(
        one.name
        for one in manager.http_filters
        if not one.typed_config.type_url.startswith(_TYPES) and not one.disabled and not _is_off(one.name, levels)
    )


def _is_off(name: str, levels: tuple[Route, VirtualHost, RouteConfiguration]) -> bool:
    said = next((one.typed_per_filter_config[name] for one in levels if name in one.typed_per_filter_config), None)
    config = unpacked(said, FilterConfig) if said is not None else None
    return config is not None and config.disabled


def fault(of: Route) -> Fault | None:
    """The trouble that the route makes."""
    config = unpacked(of.typed_per_filter_config[FAULT], HTTPFault) if FAULT in of.typed_per_filter_config else None
    if config is None:
        return None
    by_grpc = config.abort.WhichOneof("error_type") == "grpc_status"
    return Fault(
        config.delay.fixed_delay.ToMilliseconds() / 1000,
        percent(config.delay.percentage) if config.HasField("delay") else 0.0,
        config.abort.http_status,
        config.abort.grpc_status if by_grpc else None,
        percent(config.abort.percentage) if config.HasField("abort") else 0.0,
    )


def abort(of: WeightedCluster.ClusterWeight) -> int:
    """The status with which a share's requests are answered before they are sent; 0: they are sent."""
    config = unpacked(of.typed_per_filter_config[FAULT], HTTPFault) if FAULT in of.typed_per_filter_config else None
    if config is not None and percent(config.abort.percentage) < 100:
        raise Unreadable("a fault in a part of one share")
    return config.abort.http_status if config else 0


def session(of: Route) -> str:
    """By what a session keeps to an endpoint: `cookie NAME` or `header NAME`; empty: by nothing."""
    if _SESSION not in of.typed_per_filter_config:
        return ""
    config = unpacked(of.typed_per_filter_config[_SESSION], StatefulSessionPerRoute)
    state = config.stateful_session.session_state.typed_config if config else None
    if state and (cookie := unpacked(state, CookieBasedSessionState)):
        return f"cookie {cookie.cookie.name}"
    if state and (header := unpacked(state, HeaderBasedSessionState)):
        return f"header {header.name}"
    raise Unreadable("a session of another kind")


def cors(of: Route, call: HttpCall) -> tuple[Answered | None, tuple[HeaderChange, ...]]:
    """The answer to a preflight, and what else is written into responses to an origin that is allowed."""
    config = unpacked(of.typed_per_filter_config[CORS], CorsPolicy) if CORS in of.typed_per_filter_config else None
    origin = ",".join(values(call, "origin"))
    if config is None or not origin:
        return None, ()
    preflight = call.method == "OPTIONS" and bool(values(call, "access-control-request-method"))
    if not any(_allows(one, origin) for one in config.allow_origin_string_match):
        kept = config.HasField("forward_not_matching_preflights") and not config.forward_not_matching_preflights.value
        return (Answered(200) if preflight and kept else None), ()
    marks = [("access-control-allow-origin", origin)]
    if config.allow_credentials.value:
        marks.append(("access-control-allow-credentials", "true"))
    if preflight:
        marks += [
            ("access-control-allow-methods", _asked(config.allow_methods, call, "access-control-request-method")),
            ("access-control-allow-headers", _asked(config.allow_headers, call, "access-control-request-headers")),
            ("access-control-max-age", config.max_age),
            ("access-control-expose-headers", config.expose_headers),
        ]
        return Answered(200, "", _set(marks)), ()
    return None, _set([*marks, ("access-control-expose-headers", config.expose_headers)])


def _asked(allowed: str, call: HttpCall, name: str) -> str:
    """What is allowed; where it is `*`, what was asked for."""
    return ",".join(values(call, name)) if allowed == "*" else allowed


def _allows(of: StringMatcher, origin: str) -> bool:
    """Whether an origin is allowed; a lone `*` allows every one."""
    return bool(of.exact == "*") or matches(of, origin)


def _set(marks: list[tuple[str, str]]) -> tuple[HeaderChange, ...]:
    return tuple(HeaderChange("set", name, value) for name, value in marks if value)
