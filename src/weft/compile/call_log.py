"""Tells the node's agent which calls came in: who, what was asked, and what the policies said of it. It is summed up there.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/access_loggers/grpc/v3/als.proto

It goes the way of xDS, over the agent's Unix socket, on one stream of each worker; what that cannot take is left out. How much
is told the agent decides while it runs (a runtime key of Envoy), so that a busy port costs no more than a quiet one.
"""

from typing import Any

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog
from envoy.extensions.access_loggers.grpc.v3.als_pb2 import HttpGrpcAccessLogConfig, TcpGrpcAccessLogConfig

from weft.envoy.bootstrap import XDS_CLUSTER
from weft.envoy.names import CALLS_SHARE, inbound_cluster
from weft.envoy.types import duration, packed

LASTING = 60.0
"""Seconds after which a request or connection that goes on is told again."""


def of_requests(number: int) -> AccessLog:
    """The log of a port whose requests are read."""
    return _log("envoy.access_loggers.http_grpc", HttpGrpcAccessLogConfig(common_config=_common(number)))


def of_connections(number: int) -> AccessLog:
    """The log of a port whose bytes are not read."""
    return _log("envoy.access_loggers.tcp_grpc", TcpGrpcAccessLogConfig(common_config=_common(number)))


def _log(name: str, config: HttpGrpcAccessLogConfig | TcpGrpcAccessLogConfig) -> AccessLog:
    share = {"runtime_key": CALLS_SHARE, "percent_sampled": {"numerator": 10_000, "denominator": "TEN_THOUSAND"}}
    sampled = {"runtime_filter": {**share, "use_independent_randomness": True}}
    return AccessLog(name=name, filter=sampled, typed_config=packed(config))


def _common(number: int) -> dict[str, Any]:
    """The port is the log's name: it is told once for all entries."""
    return {
        "log_name": inbound_cluster(number),
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": XDS_CLUSTER}},
        "buffer_flush_interval": duration(1),
    }
