"""What an Envoy is started with: who it is, where its admin interface and its xDS server are, and which statistics it keeps.

Everything else comes over xDS. Both addresses are Unix sockets: no port of the machine is taken, and file permissions guard
them. The statistics are an inclusion list, since Envoy's full set costs 52-63 KiB for each cluster.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/bootstrap/v3/bootstrap.proto
"""

from collections.abc import Mapping
from typing import Any

from weft.envoy.identity_listener import identity_listener
from weft.envoy.names import INNER_LISTENER, LIMITER
from weft.envoy.overload import LEAST_HEAP, overload_manager

XDS_CLUSTER = "xds-grpc"
MOST_CONNECTIONS = 50_000
"""Of callers, in one Envoy. Beyond it a new one is closed at once, and those that are open go on."""

_SPARE_DESCRIPTORS = 256  # listeners, xDS, files

# What is kept of Envoy's statistics. The prefixes are whole families, the suffixes single numbers of clusters, listeners
# and HTTP connection managers.
STATISTICS_PREFIXES = (
    "server.",
    "control_plane.",
    "cluster_manager.",
    "listener_manager.",
)
STATISTICS_SUFFIXES = (
    # requests of a cluster
    ".upstream_rq_total", ".upstream_rq_2xx", ".upstream_rq_3xx", ".upstream_rq_4xx", ".upstream_rq_5xx",
    ".upstream_rq_time", ".upstream_rq_active", ".upstream_rq_retry", ".upstream_rq_retry_success", ".upstream_rq_retry_overflow",
    ".upstream_rq_timeout", ".upstream_rq_per_try_timeout", ".upstream_rq_pending_overflow", ".upstream_rq_pending_failure_eject",
    # connections of a cluster
    ".upstream_cx_total", ".upstream_cx_active", ".upstream_cx_connect_fail", ".upstream_cx_connect_timeout",
    ".upstream_cx_overflow", ".upstream_cx_rx_bytes_total", ".upstream_cx_tx_bytes_total",
    ".ssl.handshake", ".ssl.fail_verify_san", ".ssl.fail_verify_error", ".ssl.connection_error",
    # hosts of a cluster
    ".outlier_detection.ejections_active", ".membership_healthy", ".membership_total",
    # what callers see
    ".downstream_rq_total", ".downstream_rq_1xx", ".downstream_rq_2xx", ".downstream_rq_3xx", ".downstream_rq_4xx",
    ".downstream_rq_5xx",
    ".downstream_rq_active", ".downstream_rq_time", ".downstream_cx_total", ".downstream_cx_active", ".downstream_cx_ssl_total",
    ".no_filter_chain_match", ".downstream_pre_cx_timeout", ".downstream_global_cx_overflow",
    # what rate limits did
    ".http_local_rate_limit.enabled", ".http_local_rate_limit.rate_limited", ".http_local_rate_limit.enforced",
    ".local_rate_limit.rate_limited", ".ratelimit.ok", ".ratelimit.over_limit", ".ratelimit.error",
    ".ratelimit.failure_mode_allowed",
    # what policies refused
    ".denied", ".shadow_denied",
    # what was refused of our configuration
    ".update_rejected", ".update_success", ".config_reload", ".key_rotation_failed",
)  # fmt: skip

# What may follow the name of a cluster in the name of a statistic.
_CLUSTER_NUMBERS = (
    r"(?:(?:external|internal)\.)?upstream_",
    r"ssl\.(?:handshake|fail_|connection_error)",
    r"outlier_detection\.",
    r"membership_",
    r"update_",
)
# The labels that Envoy finds well enough by itself.
_DEFAULT_TAGS = (
    "envoy.response_code",
    "envoy.response_code_class",
    "envoy.http_conn_manager_prefix",
    "envoy.listener_address",
    "envoy.tcp_prefix",
    "envoy.worker_id",
)


def bootstrap(
    *,
    node_id: str,
    cluster: str,
    admin_socket: str,
    xds_socket: str,
    metadata: Mapping[str, Any] | None = None,
    locality: tuple[str, str, str] = ("", "", ""),
    connections: int = MOST_CONNECTIONS,
    heap: int = LEAST_HEAP,
    edge: bool = False,
    identity_socket: str = "",
) -> dict[str, Any]:
    """The bootstrap of one sidecar or gateway, as JSON. `cluster` is its service's name; `locality` region, zone, sub-zone;
    `connections` how many of callers it takes at once, `heap` how many bytes it may hold. `edge`: its callers are strangers.
    At `identity_socket` it shows its certificate (empty: nowhere)."""
    region, zone, sub_zone = locality
    return {
        "node": {
            "id": node_id,
            "cluster": cluster,
            "metadata": dict(metadata or {}),
            "locality": {"region": region, "zone": zone, "sub_zone": sub_zone},
        },
        "admin": {"address": _pipe(admin_socket), "ignore_global_conn_limit": True},
        "static_resources": {
            "clusters": [_cluster(XDS_CLUSTER, xds_socket), _cluster(LIMITER, limiter_socket(xds_socket)), inner_cluster()],
            "listeners": [identity_listener(identity_socket)] if identity_socket else [],
        },
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": XDS_CLUSTER}, "timeout": "0s"}],
            },
            "lds_config": _ads(),
            "cds_config": _ads(),
        },
        "stats_flush_interval": "1s",  # after it a histogram shows what it counted; few statistics make it cheap
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": statistics_patterns()}}, **tagging()},
        "deferred_stat_options": {"enable_deferred_creation_stats": True},  # a cluster never called keeps no counters
        "overload_manager": overload_manager(connections=connections, heap=heap),
        "bootstrap_extensions": [
            {
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"},
            }
        ],
        "layered_runtime": {
            "layers": [
                {
                    "name": "weft",
                    "static_layer": {
                        # An operator's regular expression is refused by us, in words; not by Envoy's small default of 100.
                        "re2.max_program_size.error_level": 32768,
                        "re2.max_program_size.warn_level": 32768,
                        # One connection with many requests waits for its turn like the others.
                        **({"http.max_requests_per_io_cycle": 1} if edge else {}),
                    },
                },
                {"name": "admin", "admin_layer": {}},
            ]
        },
    }


def most_connections(descriptors: int) -> int:
    """How many connections an Envoy can take that may have so many files open (-1: any number), each with one of its own to whom
    it passes it on. Envoy raises the soft limit to the hard one itself."""
    if descriptors < 0:
        return MOST_CONNECTIONS
    return max(64, min(MOST_CONNECTIONS, (descriptors - _SPARE_DESCRIPTORS) // 2))


def statistics_patterns() -> list[dict[str, str]]:
    """The statistics kept, as Envoy's matcher wants them."""
    return [{"prefix": text} for text in STATISTICS_PREFIXES] + [{"suffix": text} for text in STATISTICS_SUFFIXES]


def tagging() -> dict[str, Any]:
    """How Envoy takes labels out of the names of its statistics (`stats_config`). Its own pattern ends a cluster's name at the
    first dot and leaves the rest of the host in the metric's name; ours knows what may follow a host."""
    pattern = rf"^cluster\.((outbound(?:-plain)?\|[0-9]+\|[^|]*\|.+?|[^.]+)\.)(?:{'|'.join(_CLUSTER_NUMBERS)})"
    policy = r"\.rbac\.policy\.((ns\[[^\]]*\]-policy\[[^\]]*\]-rule\[\d+\])\.)"
    tags = [{"tag_name": "envoy.cluster_name", "regex": pattern}, {"tag_name": "weft.policy", "regex": policy}]
    tags += [{"tag_name": name} for name in _DEFAULT_TAGS]
    return {"use_all_default_tags": False, "stats_tags": tags}


def inner_cluster() -> dict[str, Any]:
    """The way from a CONNECT to the internal listener that routes what is inside it. The same in every Envoy, so static."""
    endpoint = {"address": {"envoy_internal_address": {"server_listener_name": INNER_LISTENER}}}
    return {
        "name": INNER_LISTENER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {
            "thresholds": [{"max_connections": 2**32 - 1, "max_requests": 2**32 - 1, "max_pending_requests": 2**32 - 1}]
        },
        "load_assignment": {"cluster_name": INNER_LISTENER, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
    }


def limiter_socket(xds_socket: str) -> str:
    """Where the limiter of a machine listens: beside the socket at which Envoys speak xDS."""
    return f"{xds_socket.rpartition('/')[0]}/limiter.sock"


def _cluster(name: str, socket: str) -> dict[str, Any]:
    """A gRPC server at a Unix socket."""
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _pipe(socket)}}]}],
        },
    }


def _ads() -> dict[str, Any]:
    return {"ads": {}, "resource_api_version": "V3"}


def _pipe(path: str) -> dict[str, Any]:
    return {"pipe": {"path": path, "mode": 0o600}}
