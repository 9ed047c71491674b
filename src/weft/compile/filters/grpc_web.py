"""Makes gRPC of the gRPC-Web that a browser's client sends; anything else passes.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/grpc_web_filter
"""

from envoy.extensions.filters.http.grpc_web.v3.grpc_web_pb2 import GrpcWeb
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.envoy.types import packed

NAME = "envoy.filters.http.grpc_web"


def grpc_web() -> HttpFilter:
    """The filter."""
    return HttpFilter(name=NAME, typed_config=packed(GrpcWeb()))
