"""The Envoy cluster: one port of one service as this proxy treats it.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto

Health is decided outside of Envoy and told in the endpoints, so the panic mode (all hosts, when too few are healthy) is off and a
change of health or weight is not held back to be merged with others.
"""

from typing import Any

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.cluster.v3.outlier_detection_pb2 import OutlierDetection
from envoy.config.core.v3.base_pb2 import TransportSocket
from envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster_pb2 import ClusterConfig
from envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2 import ProxyProtocolUpstreamTransport
from envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions

from weft.compile import tls
from weft.compile.filters.dynamic_forward_proxy import dns_cache
from weft.compile.protocol_options import http1
from weft.compile.protocol_options import http2 as http2_
from weft.compile.scope.inputs import ApplicationInput, ClusterInput, Discovery, MeshTls, OriginatedTls, Plaintext, Transport
from weft.envoy.names import BLACK_HOLE, PASSTHROUGH, inbound_cluster
from weft.envoy.types import CLUSTER, EnvoyResource, duration, envoy_resource, packed
from weft.model.traffic import Balancer, ConnectionPool, ConsistentHash, Keepalive, LoadBalancing, RetryBudget, Warmup
from weft.model.traffic import OutlierDetection as Outliers

UNLIMITED = 2**32 - 1
_CONNECT_TIMEOUT = 10.0  # Istio's default
_BUDGET = RetryBudget(20.0, 3)  # of what is written of one, and Envoy's
_RAW = "envoy.transport_sockets.raw_buffer"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(of: ClusterInput) -> EnvoyResource:
    """The cluster of a destination."""
    pool = of.policy.connection_pool or ConnectionPool()
    message = Cluster(
        name=of.name,
        connect_timeout=duration(_CONNECT_TIMEOUT if pool.connect_timeout is None else pool.connect_timeout),
        circuit_breakers=circuit_breakers(pool, of.policy.retry_budget),
        typed_extension_protocol_options={_HTTP_OPTIONS: packed(_http_options(of, pool))},
        common_lb_config=_common_balancing(of),
        transport_socket=_transport_socket(of),
        upstream_connection_options=_keepalive(pool.keepalive),
        **_discovery(of),
        **_balancing(of),
    )
    if of.policy.outlier_detection:
        message.outlier_detection.CopyFrom(outlier_detection(of.policy.outlier_detection))
    eds = of.discovery is Discovery.EDS
    return envoy_resource(CLUSTER, of.name, message, hosts=of.hosts, origins=of.origins, eds=eds, secrets=_secrets(of.transport))


def _secrets(of: Transport) -> tuple[str, ...]:
    return tuple(name for name in (of.shown, of.trusted) if name) if isinstance(of, OriginatedTls) else ()


def _discovery(of: ClusterInput) -> dict[str, Any]:
    if of.discovery is Discovery.EDS:
        return {"type": "EDS", "eds_cluster_config": {"eds_config": tls.ads()}}
    return _forwarding()


def _forwarding() -> dict[str, Any]:
    """`allow_insecure_cluster_options`: Envoy wants the SNI taken from the Host, or this word, of plaintext clusters too."""
    config = ClusterConfig(dns_cache_config=dns_cache(), allow_insecure_cluster_options=True)
    return {"cluster_type": {"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": packed(config)}}


def _common_balancing(of: ClusterInput) -> dict[str, Any]:
    said = {"healthy_panic_threshold": {"value": _panic(of.policy.outlier_detection)}, "update_merge_window": {}}
    return {**said, "locality_weighted_lb_config": {}} if of.heeds_localities else said


def _balancing(of: ClusterInput) -> dict[str, Any]:
    if of.discovery is Discovery.FORWARD:
        return {"lb_policy": "CLUSTER_PROVIDED"}
    balancing = of.policy.load_balancing or LoadBalancing()
    slow = {} if balancing.warmup is None else {"slow_start_config": _slow_start(balancing.warmup)}
    match balancing.algorithm:
        case ConsistentHash(maglev_table_size=int() as size):
            return {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": {"value": size}}}
        case ConsistentHash(minimum_ring_size=size):
            return {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": {"value": size}}}
        case Balancer.ROUND_ROBIN:
            return {"lb_policy": "ROUND_ROBIN", **({"round_robin_lb_config": slow} if slow else {})}
        case Balancer.RANDOM:
            return {"lb_policy": "RANDOM"}
        case _:  # PASSTHROUGH too: without interception a caller asks for a name, and has no address to be passed to
            return {"lb_policy": "LEAST_REQUEST", **({"least_request_lb_config": slow} if slow else {})}


def _slow_start(of: Warmup) -> dict[str, Any]:
    said: dict[str, Any] = {"slow_start_window": duration(of.seconds)}
    if of.minimum_percent is not None:
        said["min_weight_percent"] = {"value": of.minimum_percent}
    if of.aggression is not None:
        said["aggression"] = {"default_value": of.aggression, "runtime_key": "weft.slow_start.aggression"}
    return said


def _transport_socket(of: ClusterInput) -> TransportSocket | None:
    """The PROXY protocol comes before all else; a sidecar would take it for a broken TLS connection."""
    inner = _inner_socket(of)
    if not of.policy.proxy_protocol or isinstance(of.transport, MeshTls):
        return inner
    message = ProxyProtocolUpstreamTransport(
        config={"version": of.policy.proxy_protocol},
        transport_socket=inner or TransportSocket(name=_RAW, typed_config=packed(RawBuffer())),
    )
    return TransportSocket(name="envoy.transport_sockets.upstream_proxy_protocol", typed_config=packed(message))


def _inner_socket(of: ClusterInput) -> TransportSocket | None:
    match of.transport:
        case MeshTls():
            return tls.mesh_upstream(of.transport, of.protocol.is_http)
        case OriginatedTls():
            alpn = () if not of.protocol.is_http else ("h2",) if of.protocol.is_http2 else ("http/1.1",)
            return tls.originated(of.transport, alpn)
        case Plaintext():
            return None


def _http_options(of: ClusterInput, pool: ConnectionPool) -> HttpProtocolOptions:
    """HTTP/2 to every sidecar, whatever the application speaks; else what the port says. TCP gets bytes."""
    meshed = isinstance(of.transport, MeshTls)
    http2 = of.protocol.is_http2 or (of.protocol.is_http and (meshed or bool(pool.http2)))
    if pool.client_protocol and of.protocol.is_http and not meshed:
        options = HttpProtocolOptions(use_downstream_protocol_config=_as_asked(pool.max_concurrent_streams))
    else:
        options = HttpProtocolOptions(explicit_http_config=_explicit(http2, pool.max_concurrent_streams))
    _limit_connections(options, pool)
    if of.discovery is Discovery.FORWARD and isinstance(of.transport, OriginatedTls) and not of.transport.sni:
        options.upstream_http_protocol_options.auto_sni = True
        options.upstream_http_protocol_options.auto_san_validation = not of.transport.tls.insecure_skip_verify
    return options


def _limit_connections(options: HttpProtocolOptions, pool: ConnectionPool) -> None:
    """How long a connection lives, and for how many requests."""
    shared = options.common_http_protocol_options
    if pool.idle_timeout is not None:
        shared.idle_timeout.CopyFrom(duration(pool.idle_timeout))
    if pool.max_requests_per_connection:
        shared.max_requests_per_connection.value = pool.max_requests_per_connection
    if pool.max_connection_duration is not None:
        shared.max_connection_duration.CopyFrom(duration(pool.max_connection_duration))


def _explicit(http2: bool, streams: int | None = None) -> dict[str, Any]:
    if not http2:
        return {"http_protocol_options": http1()}
    return {"http2_protocol_options": http2_(streams)}


def _as_asked(streams: int | None = None) -> dict[str, Any]:
    return {"http_protocol_options": http1(), **_explicit(True, streams)}


def circuit_breakers(pool: ConnectionPool, budget: RetryBudget | None = None) -> CircuitBreakers:
    """Envoy's defaults (1,024 of everything) surprise; as in Istio, what is not limited is unlimited. Retries of requests in
    flight are budgeted, so that a service in trouble is not buried under them."""
    limit: dict[str, Any] = {
        "max_connections": {"value": pool.max_connections or UNLIMITED},
        "max_pending_requests": {"value": pool.max_pending_requests or UNLIMITED},
        "max_requests": {"value": pool.max_requests or UNLIMITED},
    }
    if budget is not None:
        limit["retry_budget"] = {
            "budget_percent": {"value": _BUDGET.percent if budget.percent is None else budget.percent},
            "min_retry_concurrency": {"value": _BUDGET.minimum if budget.minimum is None else budget.minimum},
        }
    elif pool.max_retries is not None:
        limit["max_retries"] = {"value": pool.max_retries}
    else:
        # A fifth of what is in flight; never under 32, so that an endpoint of a few that goes down takes no request with it.
        limit["retry_budget"] = {"budget_percent": {"value": 20.0}, "min_retry_concurrency": {"value": 32}}
    return CircuitBreakers(thresholds=[limit])


def _panic(outliers: Outliers | None) -> float:
    return float(outliers.min_health_percent or 0) if outliers else 0.0


def _keepalive(of: Keepalive | None) -> dict[str, Any] | None:
    if of is None:
        return None
    said = {"keepalive_probes": of.probes, "keepalive_time": of.time, "keepalive_interval": of.interval}
    return {"tcp_keepalive": {name: {"value": int(value)} for name, value in said.items() if value is not None}}


def outlier_detection(of: Outliers) -> OutlierDetection:
    """Consecutive errors only: Envoy's statistical checks stay off, as in Istio."""
    message = OutlierDetection(
        enforcing_success_rate={"value": 0},
        enforcing_local_origin_success_rate={"value": 0},
        split_external_local_origin_errors=bool(of.split_external_local_origin_errors),
    )
    if of.consecutive_5xx is not None:
        message.consecutive_5xx.value = of.consecutive_5xx
        message.enforcing_consecutive_5xx.value = 100 if of.consecutive_5xx else 0
    if of.consecutive_gateway_errors is not None:
        message.consecutive_gateway_failure.value = of.consecutive_gateway_errors
        message.enforcing_consecutive_gateway_failure.value = 100 if of.consecutive_gateway_errors else 0
    if of.consecutive_local_origin_failures is not None:
        message.consecutive_local_origin_failure.value = of.consecutive_local_origin_failures
        message.enforcing_consecutive_local_origin_failure.value = 100 if of.consecutive_local_origin_failures else 0
    if of.interval is not None:
        message.interval.CopyFrom(duration(of.interval))
    if of.base_ejection_time is not None:
        message.base_ejection_time.CopyFrom(duration(of.base_ejection_time))
    if of.max_ejection_percent:
        message.max_ejection_percent.value = of.max_ejection_percent
    return message


def application(of: ApplicationInput) -> EnvoyResource:
    """The cluster of the application beside the sidecar, in the protocol it speaks."""
    name = inbound_cluster(of.number)
    address: dict[str, Any] = {"socket_address": {"address": of.address.host, "port_value": of.address.port}}
    if of.socket:
        address = {"pipe": {"path": of.socket}}
    pool = of.pool or ConnectionPool()
    options = HttpProtocolOptions(explicit_http_config=_explicit(of.protocol.is_http2, pool.max_concurrent_streams))
    _limit_connections(options, pool)
    message = Cluster(
        name=name,
        type="STATIC",
        connect_timeout=duration(_CONNECT_TIMEOUT if pool.connect_timeout is None else pool.connect_timeout),
        circuit_breakers=circuit_breakers(pool) if of.pool else CircuitBreakers(thresholds=[_no_limit()]),
        typed_extension_protocol_options={_HTTP_OPTIONS: packed(options)},
        upstream_connection_options=_keepalive(pool.keepalive),
        load_assignment={"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
    )
    return envoy_resource(CLUSTER, name, message)


def passthrough() -> EnvoyResource:
    """Whatever host a request names, resolved when it is asked for: how external hosts pass when nobody declared them."""
    options = HttpProtocolOptions(use_downstream_protocol_config=_as_asked())
    message = Cluster(
        name=PASSTHROUGH,
        connect_timeout=duration(_CONNECT_TIMEOUT),
        lb_policy="CLUSTER_PROVIDED",
        circuit_breakers=CircuitBreakers(thresholds=[_no_limit()]),
        typed_extension_protocol_options={_HTTP_OPTIONS: packed(options)},
        **_forwarding(),
    )
    return envoy_resource(CLUSTER, PASSTHROUGH, message)


def black_hole() -> EnvoyResource:
    """A cluster without endpoints: the share of a destination that does not exist fails at once."""
    message = Cluster(name=BLACK_HOLE, type="STATIC", connect_timeout=duration(1), load_assignment={"cluster_name": BLACK_HOLE})
    return envoy_resource(CLUSTER, BLACK_HOLE, message)


def _no_limit() -> dict[str, Any]:
    limit = {"value": UNLIMITED}
    return {"max_connections": limit, "max_pending_requests": limit, "max_requests": limit, "max_retries": limit}
