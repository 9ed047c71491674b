"""DestinationRule: how callers treat a service, and its subsets."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, field

from weft.resource.field import (
    Duration,
    DurationOrZero,
    Int32,
    Message,
    Percentage,
    PercentageFloat,
    UInt32,
    UInt64,
    deprecated,
)
from weft.resource.istio.selector import WorkloadSelector
from weft.resource.istio.virtual_service import PortSelector

SimpleBalancer = Literal["UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"]
H2UpgradePolicy = Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"]
ClientTlsMode = Literal["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]

_HTTP2 = "For endpoints without a sidecar; between sidecars it is always HTTP/2."


class CookieAttribute(Message, frozen=True, kw_only=True):
    """An attribute of a cookie that Envoy makes."""

    name: str
    value: str = ""


class HttpCookie(Message, frozen=True, kw_only=True):
    """Hash on a cookie. `ttl` makes the cookie when it is absent; 0s: for the session."""

    name: str
    path: str = ""
    ttl: DurationOrZero | None = None
    attributes: tuple[CookieAttribute, ...] = ()


class RingHash(Message, frozen=True, kw_only=True):
    """The size of the ring."""

    minimum_ring_size: UInt64 | None = None


class Maglev(Message, frozen=True, kw_only=True):
    """The size of Maglev's table, a prime."""

    table_size: UInt64 | None = None


class ConsistentHash(Message, frozen=True, kw_only=True):
    """What is hashed (exactly one of the first four), and how."""

    http_header_name: str | None = None
    http_cookie: HttpCookie | None = None
    use_source_ip: bool | None = None
    http_query_parameter_name: str | None = None
    ring_hash: RingHash | None = None
    maglev: Maglev | None = None
    minimum_ring_size: Annotated[UInt64 | None, deprecated("ringHash.minimumRingSize")] = None


class LocalityDistribute(Message, frozen=True, kw_only=True):
    """Shares of the traffic from one locality."""

    from_: str = field(default="", name="from")
    to: Mapping[str, UInt32] = {}


class LocalityFailover(Message, frozen=True, kw_only=True):
    """Where the traffic of a region goes when its endpoints are ill."""

    from_: str = field(default="", name="from")
    to: str = ""


class LocalityLoadBalancer(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/destination-rule/#LocalityLoadBalancerSetting"""

    distribute: tuple[LocalityDistribute, ...] = ()
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    enabled: bool | None = None


class Warmup(Message, frozen=True, kw_only=True):
    """How a new endpoint's share grows to its full one."""

    duration: Duration
    minimum_percent: PercentageFloat | None = None
    aggression: Annotated[float, Meta(ge=1)] | None = None


class LoadBalancer(Message, frozen=True, kw_only=True):
    """`simple` or `consistent_hash`; neither is LEAST_REQUEST."""

    simple: SimpleBalancer | None = None
    consistent_hash: ConsistentHash | None = None
    locality_lb_setting: LocalityLoadBalancer | None = None
    warmup: Warmup | None = None
    warmup_duration_secs: Annotated[Duration | None, deprecated("warmup.duration")] = None


class TcpKeepalive(Message, frozen=True, kw_only=True):
    """SO_KEEPALIVE and its three settings; absent: the operating system's."""

    probes: UInt32 | None = None
    time: Duration | None = None
    interval: Duration | None = None


class TcpSettings(Message, frozen=True, kw_only=True):
    """Limits of TCP connections, HTTP's among them."""

    max_connections: Int32 | None = None
    connect_timeout: Duration | None = None
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration: Duration | None = None
    idle_timeout: DurationOrZero | None = None


class HttpSettings(Message, frozen=True, kw_only=True):
    """Limits of HTTP requests; `http1_max_pending_requests` and `http2_max_requests` hold for both versions."""

    http1_max_pending_requests: Int32 | None = None
    http2_max_requests: Int32 | None = None
    max_requests_per_connection: Int32 | None = None
    max_retries: Int32 | None = None
    idle_timeout: Duration | None = None
    h2_upgrade_policy: Annotated[H2UpgradePolicy, Meta(description=_HTTP2)] = "DEFAULT"
    use_client_protocol: Annotated[bool, Meta(description=_HTTP2)] = False
    max_concurrent_streams: Int32 | None = None


class ConnectionPool(Message, frozen=True, kw_only=True):
    """Limits of one proxy towards the service."""

    tcp: TcpSettings | None = None
    http: HttpSettings | None = None


class OutlierDetection(Message, frozen=True, kw_only=True):
    """When an endpoint is left out for a while; 0 consecutive errors turn that check off."""

    split_external_local_origin_errors: bool = False
    consecutive_local_origin_failures: UInt32 | None = None
    consecutive_gateway_errors: UInt32 | None = None
    consecutive_5xx_errors: UInt32 | None = field(default=None, name="consecutive5xxErrors")
    consecutive_errors: Annotated[Int32 | None, deprecated("consecutiveGatewayErrors")] = None
    interval: Duration | None = None
    base_ejection_time: Duration | None = None
    max_ejection_percent: Percentage | None = None
    min_health_percent: Percentage | None = None


class ClientTlsSettings(Message, frozen=True, kw_only=True):
    """TLS towards the endpoints. Paths are on the calling proxy's node. `credential_name` is a Secret of the proxy's namespace:
    for gateways, and for the sidecars that a `workload_selector` names."""

    mode: ClientTlsMode = "DISABLE"
    client_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    credential_name: str = ""
    subject_alt_names: tuple[str, ...] = ()
    sni: str = ""
    insecure_skip_verify: bool | None = None


class PortTrafficPolicy(Message, frozen=True, kw_only=True):
    """What one port has instead of the service's policy; nothing is inherited."""

    port: PortSelector | None = None
    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTlsSettings | None = None


class Tunnel(Message, frozen=True, kw_only=True):
    """TCP and TLS connections go through a tunnel: the service is an HTTP proxy, asked for the target. `protocol` is CONNECT
    unless it is POST."""

    target_host: str
    target_port: UInt32
    protocol: str = ""


class ProxyProtocol(Message, frozen=True, kw_only=True):
    """The PROXY protocol towards the endpoints: who called is said before anything else. Sidecars of the mesh are not told."""

    version: Literal["V1", "V2"] = "V1"


class RetryBudget(Message, frozen=True, kw_only=True):
    """How many retries may be in flight: `percent` (20) of the requests in flight, `min_retry_concurrency` (3) at least."""

    percent: PercentageFloat | None = None
    min_retry_concurrency: UInt32 | None = None


class TrafficPolicy(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/destination-rule/#TrafficPolicy"""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTlsSettings | None = None
    port_level_settings: Annotated[tuple[PortTrafficPolicy, ...], Meta(max_length=4096)] = ()
    tunnel: Tunnel | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None


class Subset(Message, frozen=True, kw_only=True):
    """The endpoints with these labels, and what they have over the service's policy."""

    name: str
    labels: Mapping[str, str] = {}
    traffic_policy: TrafficPolicy | None = None


class DestinationRule(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/networking/destination-rule/"""

    host: str
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ()
    workload_selector: WorkloadSelector | None = None
