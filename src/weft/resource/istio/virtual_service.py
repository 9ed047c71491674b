"""VirtualService: which route a request or connection to a host takes."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import field

from weft.resource.field import (
    Duration,
    DurationOrZero,
    Int32,
    Message,
    Percentage,
    PercentageFloat,
    PortNumber,
    Regex,
    UInt32,
    checked,
    deprecated,
    unsupported,
)


class StringMatch(Message, frozen=True, kw_only=True):
    """One of three ways to compare. Absent all three (`{}`): the thing only has to be there (headers, query parameters)."""

    exact: str | None = None
    prefix: str | None = None
    regex: Regex | None = None


class PortSelector(Message, frozen=True, kw_only=True):
    """A port by number."""

    number: PortNumber | None = None


class Destination(Message, frozen=True, kw_only=True):
    """A service, perhaps one subset and port of it. A host without a dot is completed with the resource's namespace."""

    host: str
    subset: str = ""
    port: PortSelector | None = None


class HeaderOperations(Message, frozen=True, kw_only=True):
    """`set` replaces, `add` appends, `remove` drops."""

    set: Mapping[str, str] = {}
    add: Mapping[str, str] = {}
    remove: tuple[str, ...] = ()


class Headers(Message, frozen=True, kw_only=True):
    """Changes to the request's and the response's headers."""

    request: HeaderOperations | None = None
    response: HeaderOperations | None = None


class Percent(Message, frozen=True, kw_only=True):
    """0 to 100; fractions are allowed."""

    value: PercentageFloat = 0.0


class HttpMatch(Message, frozen=True, kw_only=True):
    """Conditions that must all hold. `uri` is the path; `port` the one the caller asked for."""

    name: str = ""
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: Mapping[str, StringMatch] = {}
    port: PortNumber | None = None
    source_labels: Mapping[str, str] = {}
    gateways: tuple[str, ...] = ()
    query_params: Mapping[str, StringMatch] = {}
    ignore_uri_case: bool = False
    without_headers: Mapping[str, StringMatch] = {}
    source_namespace: str = ""
    stat_prefix: str = ""


class HttpRouteDestination(Message, frozen=True, kw_only=True):
    """A share of the requests."""

    destination: Destination
    weight: Int32 | None = None
    headers: Headers | None = None


class HttpRedirect(Message, frozen=True, kw_only=True):
    """Answer with a redirect; what is empty stays as the request has it. `uri` may be `%PREFIX()%/more`."""

    uri: str = ""
    authority: str = ""
    port: PortNumber | None = None
    derive_port: Literal["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"] | None = None
    scheme: str = ""
    redirect_code: UInt32 | None = None


class HttpBody(Message, frozen=True, kw_only=True):
    """A body, as text or as base64."""

    string: str | None = None
    bytes_: Annotated[str | None, checked("base64")] = field(default=None, name="bytes")


class HttpDirectResponse(Message, frozen=True, kw_only=True):
    """Answer at once."""

    status: UInt32
    body: HttpBody | None = None


class Delegate(Message, frozen=True, kw_only=True):
    """A VirtualService without hosts that has the rest of the rules."""

    name: str = ""
    namespace: str = ""


class RegexRewrite(Message, frozen=True, kw_only=True):
    """Replaces what `match` finds in the path; `\\1` is its first group."""

    match: Regex = ""
    rewrite: str = ""


class HttpRewrite(Message, frozen=True, kw_only=True):
    """Changes before forwarding. `uri` replaces the matched prefix, or with another match the whole path."""

    uri: str = ""
    authority: str = ""
    uri_regex_rewrite: RegexRewrite | None = None


class HttpRetry(Message, frozen=True, kw_only=True):
    """`attempts` beyond the first; 0 turns retries off."""

    attempts: Int32 = 0
    per_try_timeout: Duration | None = None
    retry_on: str = ""
    retry_remote_localities: bool | None = None
    retry_ignore_previous_hosts: bool | None = None
    backoff: Duration | None = None


class FaultDelay(Message, frozen=True, kw_only=True):
    """Hold requests for a while."""

    fixed_delay: Duration | None = None
    percentage: Percent | None = None
    percent: Annotated[Percentage | None, deprecated("percentage.value")] = None
    exponential_delay: Annotated[Duration | None, unsupported("Envoy has no such delay; use fixedDelay")] = None


class FaultAbort(Message, frozen=True, kw_only=True):
    """Answer requests with an error."""

    http_status: Int32 | None = None
    grpc_status: str | None = None
    http2_error: Annotated[str | None, unsupported("Envoy resets no stream on purpose; use httpStatus")] = None
    percentage: Percent | None = None


class HttpFault(Message, frozen=True, kw_only=True):
    """Trouble on purpose."""

    delay: FaultDelay | None = None
    abort: FaultAbort | None = None


class HttpMirror(Message, frozen=True, kw_only=True):
    """A copy of the requests; the answers are dropped."""

    destination: Destination
    percentage: Percent | None = None


class CorsPolicy(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/virtual-service/#CorsPolicy"""

    allow_origins: tuple[StringMatch, ...] = ()
    allow_origin: Annotated[tuple[str, ...], deprecated("allowOrigins")] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: Duration | None = None
    allow_credentials: bool | None = None
    unmatched_preflights: Literal["UNSPECIFIED", "FORWARD", "IGNORE"] | None = None


class HttpRoute(Message, frozen=True, kw_only=True):
    """One rule: the first whose `match` fits (any of them; none: every request) decides. `timeout` 0s: no limit."""

    name: str = ""
    match: tuple[HttpMatch, ...] = ()
    route: tuple[HttpRouteDestination, ...] = ()
    redirect: HttpRedirect | None = None
    direct_response: HttpDirectResponse | None = None
    delegate: Delegate | None = None
    rewrite: HttpRewrite | None = None
    timeout: DurationOrZero | None = None
    retries: HttpRetry | None = None
    fault: HttpFault | None = None
    mirror: Destination | None = None
    mirrors: tuple[HttpMirror, ...] = ()
    mirror_percentage: Percent | None = None
    mirror_percent: Annotated[UInt32 | None, deprecated("mirrorPercentage.value")] = None
    mirror_percent_snake: Annotated[UInt32 | None, deprecated("mirrorPercentage.value")] = field(
        default=None, name="mirror_percent"
    )
    cors_policy: CorsPolicy | None = None
    headers: Headers | None = None


class L4RouteDestination(Message, frozen=True, kw_only=True):
    """A share of the connections."""

    destination: Destination
    weight: Int32 | None = None


class TlsMatch(Message, frozen=True, kw_only=True):
    """Conditions on a TLS connection that passes through; `sni_hosts` may be wildcards within the resource's hosts."""

    sni_hosts: tuple[str, ...]
    destination_subnets: tuple[str, ...] = ()
    port: PortNumber | None = None
    source_labels: Mapping[str, str] = {}
    gateways: tuple[str, ...] = ()
    source_namespace: str = ""


class TlsRoute(Message, frozen=True, kw_only=True):
    """One rule for TLS that passes through."""

    match: tuple[TlsMatch, ...]
    route: tuple[L4RouteDestination, ...] = ()


class TcpMatch(Message, frozen=True, kw_only=True):
    """Conditions on a TCP connection. `destination_subnets` hold the address that was asked for, or one of the service's own;
    `source_subnet` the caller's, which only a gateway sees."""

    destination_subnets: tuple[str, ...] = ()
    port: PortNumber | None = None
    source_labels: Mapping[str, str] = {}
    gateways: tuple[str, ...] = ()
    source_namespace: str = ""
    source_subnet: str = ""


class TcpRoute(Message, frozen=True, kw_only=True):
    """One rule for TCP."""

    match: tuple[TcpMatch, ...] = ()
    route: tuple[L4RouteDestination, ...] = ()


class VirtualService(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/virtual-service/"""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HttpRoute, ...] = ()
    tls: tuple[TlsRoute, ...] = ()
    tcp: tuple[TcpRoute, ...] = ()
    export_to: tuple[str, ...] = ()
