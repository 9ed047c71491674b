"""The last filter: forwards.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter
"""

from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.envoy.types import packed

NAME = "envoy.filters.http.router"


def router() -> HttpFilter:
    """The filter."""
    return HttpFilter(name=NAME, typed_config=packed(Router()))
