"""Answers preflight requests and marks responses, where a route has a CORS policy.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/cors_filter
"""

from envoy.config.core.v3.base_pb2 import RuntimeFractionalPercent
from envoy.extensions.filters.http.cors.v3.cors_pb2 import Cors as CorsFilter
from envoy.extensions.filters.http.cors.v3.cors_pb2 import CorsPolicy
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.compile.string_match import string_match
from weft.envoy.types import packed
from weft.model.route import Cors

NAME = "envoy.filters.http.cors"


def cors() -> HttpFilter:
    """The filter; without a policy at the route it does nothing."""
    return HttpFilter(name=NAME, typed_config=packed(CorsFilter()))


def cors_policy(of: Cors) -> CorsPolicy:
    """The policy of one route."""
    message = CorsPolicy(
        allow_origin_string_match=[string_match(origin) for origin in of.allow_origins],
        allow_methods=",".join(of.allow_methods),
        allow_headers=",".join(of.allow_headers),
        expose_headers=",".join(of.expose_headers),
        max_age="" if of.max_age is None else str(int(of.max_age)),
        filter_enabled=RuntimeFractionalPercent(default_value={"numerator": 100}),
    )
    if of.allow_credentials is not None:
        message.allow_credentials.value = of.allow_credentials
    if not of.forward_unmatched:
        message.forward_not_matching_preflights.value = False
    return message
