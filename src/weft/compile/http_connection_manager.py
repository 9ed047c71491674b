"""The HTTP connection manager, the same everywhere but for a few words.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
"""

from typing import Any

from envoy.config.core.v3.config_source_pb2 import ConfigSource
from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager

from weft.compile.filters.order import Chain, http_filters
from weft.compile.protocol_options import http1, http2
from weft.envoy.types import packed

_USUAL: dict[str, Any] = {
    "normalize_path": {"value": True},  # a policy on /admin must also see /x/../admin
    "codec_type": "AUTO",
    "server_header_transformation": "PASS_THROUGH",
}
NAME = "envoy.filters.network.http_connection_manager"


def http_connection_manager(
    *,
    stat_prefix: str,
    routes: str | RouteConfiguration,
    chain: Chain,
    connect: bool = False,
    **words: Any,
) -> Filter:
    """The network filter. `routes` is a route configuration, or the name of one to ask for. `connect`: CONNECT is understood.
    `words` are further fields of the message."""
    message = HttpConnectionManager(
        stat_prefix=stat_prefix,
        http_filters=http_filters(chain),
        upgrade_configs=[{"upgrade_type": "websocket"}] + ([{"upgrade_type": "CONNECT"}] if connect else []),
        http_protocol_options=http1(
            allow_absolute_url={"value": True}, accept_http_10=True, default_host_for_http_10="localhost"
        ),
        http2_protocol_options=http2(),
        proxy_100_continue=True,  # leave to send a body is the application's to give, or to refuse before it came
        strip_trailing_host_dot=True,
        **{**_USUAL, **_routes(routes), **words},
    )
    return Filter(name=NAME, typed_config=packed(message))


def _routes(of: str | RouteConfiguration) -> dict[str, Any]:
    if isinstance(of, RouteConfiguration):
        return {"route_config": of}
    return {"rds": {"route_config_name": of, "config_source": ConfigSource(ads={}, resource_api_version="V3")}}
