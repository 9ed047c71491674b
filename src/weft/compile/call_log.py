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


LASTING_PLAINTEXT = 5.0
"""The same of plaintext: who still sends it is to be known soon."""

_HTTP, _TCP = "envoy.access_loggers.http_grpc", "envoy.access_loggers.tcp_grpc"


def of_requests(number: int, *, whole: bool = False) -> AccessLog:
    """The log of a port whose requests are read. `whole`: nothing is left out, and it is told at once."""
    config = HttpGrpcAccessLogConfig(common_config=_common(number, at_once=whole))
    return AccessLog(name=_HTTP, filter=None if whole else _sampled(), typed_config=packed(config))


def of_connections(number: int, *, whole: bool = False) -> AccessLog:
    """The log of a port whose bytes are not read."""
    config = TcpGrpcAccessLogConfig(common_config=_common(number, at_once=whole))
    return AccessLog(name=_TCP, filter=None if whole else _sampled(), typed_config=packed(config))


def of_refused(number: int) -> AccessLog:
    """The log of connections that are not the mesh's own, at a port that takes no others (NR: no filter chain is for them)."""
    config = TcpGrpcAccessLogConfig(common_config=_common(number, at_once=True))
    return AccessLog(name=_TCP, filter={"response_flag_filter": {"flags": ["NR"]}}, typed_config=packed(config))


def _sampled() -> dict[str, Any]:
    share = {"runtime_key": CALLS_SHARE, "percent_sampled": {"numerator": 10_000, "denominator": "TEN_THOUSAND"}}
    return {"runtime_filter": {**share, "use_independent_randomness": True}}


def _common(number: int, *, at_once: bool = False) -> dict[str, Any]:
    """The port is the log's name: it is told once for all entries."""
    return {
        "log_name": inbound_cluster(number),
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": XDS_CLUSTER}},
        "buffer_flush_interval": duration(0.2 if at_once else 1),
    }
