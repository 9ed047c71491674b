"""Which rate limits count a request. How many others they have counted is not known here: nothing is refused.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-ratelimit
"""

from collections.abc import Iterator

from envoy.config.route.v3.route_components_pb2 import RateLimit, Route, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit
from envoy.extensions.filters.http.ratelimit.v3.rate_limit_pb2 import RateLimitPerRoute
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager

from weft.quota import NAME_KEY
from weft.simulate.call import HttpCall
from weft.simulate.held import unpacked
from weft.simulate.route_match import header_matches


def limits(
    manager: HttpConnectionManager, levels: tuple[Route, VirtualHost, RouteConfiguration], call: HttpCall
) -> tuple[str, ...]:
    """Their names (`namespace/name/rule`), sorted."""
    there = [one.name for one in manager.http_filters]
    said = (one for name in there for one in _said(name, levels))
    return tuple(sorted(name for one in said if (name := _counted(one, call))))


def _said(name: str, levels: tuple[Route, VirtualHost, RouteConfiguration]) -> Iterator[RateLimit]:
    said = next((one.typed_per_filter_config[name] for one in levels if name in one.typed_per_filter_config), None)
    if said is not None and (local := unpacked(said, LocalRateLimit)):
        yield from local.rate_limits
    elif said is not None and (shared := unpacked(said, RateLimitPerRoute)):
        yield from shared.rate_limits


def _counted(of: RateLimit, call: HttpCall) -> str:
    """The name of the limit, when it is one of ours and counts the request."""
    for action in of.actions:
        if action.generic_key.descriptor_key == NAME_KEY:
            return str(action.generic_key.descriptor_value)
        if action.header_value_match.descriptor_key == NAME_KEY:
            counts = all(header_matches(one, call) for one in action.header_value_match.headers)
            return str(action.header_value_match.descriptor_value) if counts else ""
    return ""
