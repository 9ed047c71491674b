"""What a call comes to. Durations are in seconds, shares and percentages of a hundred."""

from dataclasses import dataclass

from weft.simulate.call import HeaderList

_GATEWAY_ERRORS = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Matched:
    """Who decided: the virtual host, the route, and the operator's resource and field that it was made from (empty: nobody's)."""

    virtual_host: str
    route: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """One change to a response's headers. `how` is `set`, `add`, `default` (only when absent) or `remove`."""

    how: str
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the destination gets it, without what every Envoy adds (x-request-id and its like)."""

    authority: str
    path: str
    headers: HeaderList = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A locality's part (percent) of a cluster's calls; its name is empty where none is known."""

    locality: str
    percent: float
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """A cluster's part of the calls. `endpoints` are `address:port` of those that take new ones; none: they fail with a 503.
    `tls` is empty, `mesh` (mutual, with the workload's identity), `simple` or `mutual`. `request` None: bytes. `places` are
    given where the endpoints of one get more than those of another. `tunnel`: the endpoints are proxies, which are asked for
    this `host:port`. `answer`: the status with which its calls are answered before they are sent; 0: they are sent."""

    cluster: str
    percent: float
    endpoints: tuple[str, ...] = ()
    tls: str = ""
    request: Request | None = None
    response: tuple[HeaderChange, ...] = ()
    places: tuple[Place, ...] = ()
    tunnel: str = ""
    answer: int = 0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is tried again, and after what: Envoy's names and status codes."""

    attempts: int
    on: tuple[str, ...]
    codes: tuple[int, ...] = ()
    per_try_timeout: float = 0.0
    backoff: float = 0.0

    def repeats(self, status: int) -> bool:
        """Whether an answer with `status` is followed by another try."""
        return (
            ("5xx" in self.on and 500 <= status <= 599)
            or ("gateway-error" in self.on and status in _GATEWAY_ERRORS)
            or ("retriable-4xx" in self.on and status == 409)
            or ("retriable-status-codes" in self.on and status in self.codes)
        )


@dataclass(frozen=True, slots=True)
class Copy:
    """A cluster that gets a copy of some requests."""

    cluster: str
    percent: float


@dataclass(frozen=True, slots=True)
class Fault:
    """Trouble on purpose, before anything else is done. `grpc_status` is the number of a gRPC status."""

    delay: float = 0.0
    delay_percent: float = 0.0
    status: int = 0
    grpc_status: int | None = None
    abort_percent: float = 0.0


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The call goes on. `timeout` 0: none. `hashed_on` says by what requests keep to one endpoint, `split_on` by what
    they keep to one share (empty: chance decides each time), `session` (`cookie NAME` or `header NAME`) what the first answer
    carries, so that further requests meet the same endpoint."""

    shares: tuple[Share, ...]
    timeout: float = 0.0
    retries: Retries | None = None
    copies: tuple[Copy, ...] = ()
    hashed_on: tuple[str, ...] = ()
    split_on: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Redirected:
    """The caller is sent elsewhere."""

    status: int
    location: str
    response: tuple[HeaderChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The proxy answers itself. `body` is empty for Envoy's own answers."""

    status: int
    body: str = ""
    response: tuple[HeaderChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is refused or closed, and why."""

    why: str


Action = Forwarded | Redirected | Answered | Closed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call comes to, and who decided. `unread` are HTTP filters on its way that this package knows nothing of: what they
    do to the call is not in the rest. `limits` are the rate limits that count it: it comes to what is said here as long as they
    let it pass."""

    action: Action
    matched: Matched | None = None
    fault: Fault | None = None
    unread: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
