"""HTTP and TCP routes: what is matched, and what is then done. The words are Envoy's and the Gateway API's common ones.

Durations are in seconds (float). Hosts of destinations are full names.
"""

from dataclasses import dataclass, field

from weft.model.labels import Labels
from weft.model.traffic import HashKey
from weft.ref import Ref


@dataclass(frozen=True, slots=True)
class Exact:
    """The whole text, case-sensitive unless the rule says otherwise."""

    value: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """A text's beginning, of characters, not of path segments (Istio's `prefix`)."""

    value: str


@dataclass(frozen=True, slots=True)
class PathPrefix:
    """A path's beginning in whole segments (the Gateway API's PathPrefix)."""

    value: str


@dataclass(frozen=True, slots=True)
class Regex:
    """RE2, matched against the whole text."""

    value: str


@dataclass(frozen=True, slots=True)
class Present:
    """There at all, whatever the value."""


StringMatch = Exact | Prefix | Regex
PathMatch = Exact | Prefix | PathPrefix | Regex
ValueMatch = Exact | Prefix | Regex | Present


@dataclass(frozen=True, slots=True)
class NamedMatch:
    """A header or query parameter by name. `invert`: it must not match."""

    name: str
    value: ValueMatch
    invert: bool = False


@dataclass(frozen=True, slots=True)
class ClaimMatch:
    """A claim of the token that was accepted, by its way through the token: a text, or a list that has it. `invert`: it must not
    match; without a token nothing matches."""

    keys: tuple[str, ...]
    value: ValueMatch
    invert: bool = False


@dataclass(frozen=True, slots=True)
class HttpMatch:
    """All that is given must hold. `port` is the port the caller asked for; `gateways` and `source_*` are resolved when
    a proxy's scope is taken, never compiled."""

    path: PathMatch | None = None
    ignore_path_case: bool = False
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: tuple[NamedMatch | ClaimMatch, ...] = ()
    query_params: tuple[NamedMatch, ...] = ()
    port: int | None = None
    gateways: tuple[str, ...] = ()  # namespace/name, or `mesh`; empty: those of the route
    source_labels: Labels = ()
    source_namespace: str = ""
    stat_prefix: str = field(default="", repr=False)  # of statistics kept apart; names of routes are made of the rest


@dataclass(frozen=True, slots=True)
class Destination:
    """A service's subset and port. `port` 0: the port the caller asked for, or the service's only one."""

    host: str
    subset: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class HeaderEdit:
    """Changes to headers: `set` replaces, `add` appends, `remove` drops."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


NO_EDIT = HeaderEdit()


@dataclass(frozen=True, slots=True)
class WeightedDestination:
    """A share of the traffic. Weights are relative to their sum. `answer` is the status with which its requests are answered
    instead of being sent; 0: they are sent."""

    destination: Destination
    weight: int = 1
    request_headers: HeaderEdit = NO_EDIT
    response_headers: HeaderEdit = NO_EDIT
    answer: int = 0


@dataclass(frozen=True, slots=True)
class Forward:
    """Send it on, split by weight."""

    destinations: tuple[WeightedDestination, ...]


FROM_REQUEST_PORT = "FROM_REQUEST_PORT"
"""A `Redirect.derive_port`: the port that was called."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer with a redirect. Empty fields keep what the request said. `prefix` replaces the matched prefix, `path` the
    whole path."""

    scheme: str = ""
    authority: str = ""
    port: int | None = None
    derive_port: str = ""  # FROM_PROTOCOL_DEFAULT or FROM_REQUEST_PORT
    path: str = ""
    prefix: str = ""
    code: int = 301


@dataclass(frozen=True, slots=True)
class DirectResponse:
    """Answer at once with a fixed body."""

    status: int
    body: bytes = b""
    content_type: str = ""


Action = Forward | Redirect | DirectResponse


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Change path or authority before forwarding. `prefix` replaces what the match matched (a non-prefix match: the whole
    path). `regex` is (pattern, substitution) in RE2 with \\1 groups."""

    prefix: str = ""
    path: str = ""
    authority: str = ""
    regex: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Retries:
    """`attempts` beyond the first; 0 turns retries off. `on` are Envoy's retry_on names and status codes; none: what is safe for
    the request at hand. `retry_remote_localities` None: the next try is sent past the priority of the last; False: anywhere."""

    attempts: int
    on: tuple[str, ...] = ()
    per_try_timeout: float | None = None
    backoff: float | None = None
    ignore_previous_hosts: bool = True
    retry_remote_localities: bool | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Trouble on purpose. Percentages are 0-100; `abort_status` is an HTTP status, `abort_grpc` a gRPC status number."""

    delay: float | None = None
    delay_percent: float = 100.0
    abort_status: int | None = None
    abort_grpc: int | None = None
    abort_percent: float = 100.0


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of the request, its answer dropped."""

    destination: Destination
    percent: float = 100.0


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """A cookie that names the endpoint which answered first. `ttl` None: it lives as long as the browser's session."""

    name: str
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """A header of the response that names the endpoint, and that the caller sends again."""

    name: str


Session = SessionCookie | SessionHeader


@dataclass(frozen=True, slots=True)
class Cors:
    """The CORS policy of a route (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

    allow_origins: tuple[StringMatch, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: float | None = None
    allow_credentials: bool | None = None
    forward_unmatched: bool = True  # whether a preflight from an origin that is not allowed is sent on


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One rule. `matches` is a disjunction; empty matches everything. `timeout` None: the mesh's default, 0: none."""

    action: Action
    origin: Ref
    name: str = ""
    matches: tuple[HttpMatch, ...] = ()
    rewrite: Rewrite | None = None
    timeout: float | None = None
    retries: Retries | None = None
    fault: Fault | None = None
    mirrors: tuple[Mirror, ...] = ()
    cors: Cors | None = None
    request_headers: HeaderEdit = NO_EDIT
    response_headers: HeaderEdit = NO_EDIT
    session: Session | None = None
    sticky: HashKey | None = None  # what a request is put into its part of a split by; None: chance


@dataclass(frozen=True, slots=True)
class L4Match:
    """A connection's marks. `sni_hosts` only for TLS. `destination_subnets`: the address asked for, or one of the service's;
    `source_subnets`: the other end's, at gateways."""

    sni_hosts: tuple[str, ...] = ()
    destination_subnets: tuple[str, ...] = ()
    port: int | None = None
    gateways: tuple[str, ...] = ()
    source_labels: Labels = ()
    source_namespace: str = ""
    source_subnets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class L4Route:
    """A TCP or TLS-passthrough rule."""

    destinations: tuple[WeightedDestination, ...]
    origin: Ref
    matches: tuple[L4Match, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteSet:
    """All the rules of one VirtualService (or of the routes of a dialect that come down to the same), in order.

    `hosts` are full names or wildcards; `gateways` are `namespace/name` or `mesh`. `export_to` holds namespaces or `*`. `ports`
    are those of the service that the rules are for, in the mesh; none: all.
    """

    hosts: tuple[str, ...]
    namespace: str
    origin: Ref
    gateways: tuple[str, ...] = ("mesh",)
    export_to: tuple[str, ...] = ("*",)
    http: tuple[HttpRoute, ...] = ()
    tcp: tuple[L4Route, ...] = ()
    tls: tuple[L4Route, ...] = ()
    created: str = ""  # creation time, RFC 3339: the older wins a conflict
    ports: tuple[int, ...] = ()
