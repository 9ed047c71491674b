"""Keeps a session at the endpoint that answered first, where a route says so: a cookie or a header carries its address.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/stateful_session_filter

The endpoint must still be there and take requests; else another is chosen and named anew.
"""

from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.extensions.filters.http.stateful_session.v3.stateful_session_pb2 import StatefulSession, StatefulSessionPerRoute
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from envoy.extensions.http.stateful_session.cookie.v3.cookie_pb2 import CookieBasedSessionState
from envoy.extensions.http.stateful_session.header.v3.header_pb2 import HeaderBasedSessionState

from weft.envoy.types import duration, packed
from weft.model.route import Session, SessionCookie, SessionHeader

NAME = "envoy.filters.http.stateful_session"


def stateful_session() -> HttpFilter:
    """The filter; without a session at the route it does nothing."""
    return HttpFilter(name=NAME, typed_config=packed(StatefulSession()))


def session(of: Session) -> StatefulSessionPerRoute:
    """The session of one route."""
    return StatefulSessionPerRoute(stateful_session={"session_state": _state(of)})


def _state(of: Session) -> TypedExtensionConfig:
    match of:
        case SessionCookie(name, ttl):
            lived = {} if ttl is None else {"ttl": duration(ttl)}
            cookie = CookieBasedSessionState(cookie={"name": name, "path": "/", **lived})
            return TypedExtensionConfig(name="envoy.http.stateful_session.cookie", typed_config=packed(cookie))
        case SessionHeader(name):
            header = HeaderBasedSessionState(name=name)
            return TypedExtensionConfig(name="envoy.http.stateful_session.header", typed_config=packed(header))
