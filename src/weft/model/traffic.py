"""How a caller's proxy treats a service: balancing, pools, outliers, TLS, subsets. Durations are in seconds."""

from dataclasses import dataclass
from enum import Enum

from weft.model.labels import Labels
from weft.model.locality import LocalitySetting
from weft.ref import Ref


class Balancer(Enum):
    """Simple load balancing. LEAST_REQUEST is the default, as in Istio."""

    LEAST_REQUEST = "least-request"
    ROUND_ROBIN = "round-robin"
    RANDOM = "random"
    PASSTHROUGH = "passthrough"


@dataclass(frozen=True, slots=True)
class HashOnHeader:
    """The value of a request header."""

    name: str


@dataclass(frozen=True, slots=True)
class HashOnCookie:
    """A cookie, made when absent if `ttl` is given (0: a session cookie), with `attributes` (such as SameSite=Lax)."""

    name: str
    ttl: float | None = None
    path: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HashOnQuery:
    """The value of a query parameter."""

    name: str


@dataclass(frozen=True, slots=True)
class HashOnSourceIp:
    """The address of the connection's other end."""


@dataclass(frozen=True, slots=True)
class HashOnCaller:
    """The calling workload, or its `identity`, which all instances of a service share. At a gateway: the address of the
    connection's other end."""

    identity: bool = False


HashKey = HashOnHeader | HashOnCookie | HashOnQuery | HashOnSourceIp | HashOnCaller


@dataclass(frozen=True, slots=True)
class ConsistentHash:
    """Requests with the same key go to the same endpoint while the endpoints stay. `maglev` None: ring hash."""

    key: HashKey
    minimum_ring_size: int = 1024
    maglev_table_size: int | None = None


@dataclass(frozen=True, slots=True)
class Warmup:
    """How a new endpoint's share grows to its full one: over `seconds`, from `minimum_percent`, evenly with `aggression` 1 and
    the faster at first the greater it is. None: Envoy's defaults, 10% and 1."""

    seconds: float
    minimum_percent: float | None = None
    aggression: float | None = None


@dataclass(frozen=True, slots=True)
class LoadBalancing:
    """The algorithm, how a new endpoint is warmed up, and what the caller's place decides (None: nothing was said)."""

    algorithm: Balancer | ConsistentHash = Balancer.LEAST_REQUEST
    warmup: Warmup | None = None
    locality: LocalitySetting | None = None


@dataclass(frozen=True, slots=True)
class Keepalive:
    """TCP keep-alive probes."""

    probes: int | None = None
    time: float | None = None
    interval: float | None = None


@dataclass(frozen=True, slots=True)
class ConnectionPool:
    """Limits of one proxy towards a service; None: unlimited (Envoy's own defaults raised, as in Istio). `idle_timeout` is
    that of HTTP connections, `tcp_idle_timeout` that of TCP (0: none)."""

    max_connections: int | None = None
    connect_timeout: float | None = None
    keepalive: Keepalive | None = None
    max_connection_duration: float | None = None
    max_pending_requests: int | None = None
    max_requests: int | None = None
    max_requests_per_connection: int | None = None
    max_retries: int | None = None
    idle_timeout: float | None = None
    max_concurrent_streams: int | None = None
    tcp_idle_timeout: float | None = None
    http2: bool | None = None  # whether HTTP/1.1 endpoints without a sidecar are spoken to in HTTP/2
    client_protocol: bool | None = None  # whether endpoints without a sidecar are spoken to in the version of the request


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How many retries may be in flight: `percent` of the requests in flight, and `minimum` at least. None: Istio's default."""

    percent: float | None = None
    minimum: int | None = None


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """When an endpoint is left out for a while. None: Envoy's default; 0 consecutive errors: that check is off."""

    consecutive_5xx: int | None = None
    consecutive_gateway_errors: int | None = None
    consecutive_local_origin_failures: int | None = None
    split_external_local_origin_errors: bool | None = None
    interval: float | None = None
    base_ejection_time: float | None = None
    max_ejection_percent: int | None = None
    min_health_percent: int | None = None


class TlsMode(Enum):
    """ISTIO_MUTUAL is the mesh's own mTLS."""

    DISABLE = "disable"
    SIMPLE = "simple"
    MUTUAL = "mutual"
    ISTIO_MUTUAL = "istio-mutual"


@dataclass(frozen=True, slots=True)
class ClientTls:
    """TLS towards the endpoints. Paths are on the proxy's node. Absent where mTLS is decided endpoint by endpoint.
    `authorities` are keys of the mesh's credentials, in place of a file."""

    mode: TlsMode
    client_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    credential_name: str = ""
    subject_alt_names: tuple[str, ...] = ()
    sni: str = ""
    insecure_skip_verify: bool = False
    authorities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Connections are asked of the endpoints, which are proxies, with CONNECT, or `post`, for `authority` (`host:port`)."""

    authority: str
    post: bool = False


@dataclass(frozen=True, slots=True)
class PortPolicy:
    """What one port is given; None: nothing said. `proxy_protocol` is the version of the PROXY protocol, V1 or V2."""

    load_balancing: LoadBalancing | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTls | None = None
    retry_budget: RetryBudget | None = None
    proxy_protocol: str = ""
    tunnel: Tunnel | None = None


@dataclass(frozen=True, slots=True)
class TrafficPolicy:
    """What all ports are given, and what some ports have instead (whole: a port's policy inherits nothing but the retry budget,
    the PROXY protocol and the tunnel, which ports cannot say, as in Istio)."""

    all_ports: PortPolicy = PortPolicy()
    ports: tuple[tuple[int, PortPolicy], ...] = ()


@dataclass(frozen=True, slots=True)
class Subset:
    """The endpoints with these labels; `policy` is laid over the service's. `origin` is where it was written."""

    name: str
    labels: Labels
    policy: TrafficPolicy | None = None
    origin: Ref | None = None


@dataclass(frozen=True, slots=True)
class Fallback:
    """A destination that answers when another cannot. `port` 0: the one that was asked for."""

    host: str
    port: int = 0
    subset: str = ""


@dataclass(frozen=True, slots=True)
class ServicePolicy:
    """One DestinationRule: `host` is a full name or wildcard. `merged` are the younger ones of its namespace for the same
    host that were merged into it."""

    host: str
    namespace: str
    origin: Ref
    policy: TrafficPolicy = TrafficPolicy()
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ("*",)
    workload_selector: Labels = ()
    created: str = ""
    merged: tuple[Ref, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
