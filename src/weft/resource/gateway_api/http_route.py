"""HTTPRoute: which requests of a Gateway's listener, or to a Service, go where."""

from typing import Annotated, Literal

from msgspec import field

from weft.resource.field import UNSUPPORTED, DurationOrZero, Int32, Message, PortNumber, unsupported
from weft.resource.gateway_api.reference import ParentReference, Weight
from weft.resource.gateway_api.route_filter import HttpRouteFilter


class HttpPathMatch(Message, frozen=True, kw_only=True):
    """A comparison of the path. PathPrefix is by whole segments."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: str = "/"


class HttpNamedMatch(Message, frozen=True, kw_only=True):
    """A comparison of a header or a query parameter."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    name: str
    value: str


class HttpRouteMatch(Message, frozen=True, kw_only=True):
    """Conditions that must all hold."""

    path: HttpPathMatch | None = None
    headers: tuple[HttpNamedMatch, ...] = ()
    query_params: tuple[HttpNamedMatch, ...] = ()
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] | None = None


class HttpBackendRef(Message, frozen=True, kw_only=True):
    """A share of the requests, with filters of its own."""

    group: str = ""
    kind: str = "Service"
    name: str
    namespace: str = ""
    port: PortNumber | None = None
    weight: Weight = 1
    filters: tuple[HttpRouteFilter, ...] = ()


class HttpRouteTimeouts(Message, frozen=True, kw_only=True):
    """`request` is for all of it, `backendRequest` for each try; 0s: no limit."""

    request: DurationOrZero | None = None
    backend_request: DurationOrZero | None = None


class HttpRouteRetry(Message, frozen=True, kw_only=True):
    """`attempts` beyond the first, after these codes."""

    codes: tuple[Int32, ...] = ()
    attempts: Int32 | None = None
    backoff: DurationOrZero | None = None


class CookieConfig(Message, frozen=True, kw_only=True):
    """How long a cookie lives."""

    lifetime_type: Literal["Session", "Permanent"] = "Session"


class SessionPersistence(Message, frozen=True, kw_only=True):
    """Keep a client at one endpoint. `absoluteTimeout` is how long a permanent cookie lives. Of several backends each choice of
    one is by weight: a session keeps to its endpoint when its backend is chosen again."""

    session_name: str = ""
    absolute_timeout: DurationOrZero | None = None
    idle_timeout: Annotated[DurationOrZero | None, unsupported("Envoy does not know when a session was last used")] = None
    type: Literal["Cookie", "Header"] = "Cookie"
    cookie_config: CookieConfig | None = None


class HttpRouteRule(Message, frozen=True, kw_only=True):
    """What is done with requests that one of `matches` fits; none: every request."""

    name: str = ""
    matches: tuple[HttpRouteMatch, ...] = ()
    filters: tuple[HttpRouteFilter, ...] = ()
    backend_refs: tuple[HttpBackendRef, ...] = ()
    timeouts: HttpRouteTimeouts | None = None
    retry: HttpRouteRetry | None = None
    session_persistence: SessionPersistence | None = None


class HttpRoute(Message, frozen=True, kw_only=True):
    """https://gateway-api.sigs.k8s.io/reference/spec/#httproute"""

    parent_refs: tuple[ParentReference, ...] = ()
    use_default_gateways: Annotated[Literal["All", "None"] | None, UNSUPPORTED] = None
    hostnames: tuple[str, ...] = ()
    rules: tuple[HttpRouteRule, ...] = field(default=(HttpRouteRule(),))
