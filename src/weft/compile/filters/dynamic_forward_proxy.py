"""Resolves the host of a request just before it is forwarded, for clusters whose endpoints are names.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/dynamic_forward_proxy_filter

The name is the request's own Host, unless the route put another into the filter state (`set_filter_state`).
"""

from envoy.extensions.common.dynamic_forward_proxy.v3.dns_cache_pb2 import DnsCacheConfig
from envoy.extensions.filters.http.dynamic_forward_proxy.v3.dynamic_forward_proxy_pb2 import FilterConfig, PerRouteConfig
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.envoy.types import packed

NAME = "envoy.filters.http.dynamic_forward_proxy"
_MOST_NAMES = 1024


def dns_cache() -> DnsCacheConfig:
    """The one cache that the filter and all its clusters share: Envoy wants it equal wherever it is named."""
    return DnsCacheConfig(name="weft", dns_lookup_family="V4_PREFERRED", max_hosts={"value": _MOST_NAMES})


def dynamic_forward_proxy() -> HttpFilter:
    """The filter; it lets pass what goes to any other cluster."""
    config = FilterConfig(dns_cache_config=dns_cache(), allow_dynamic_host_from_filter_state=True)
    return HttpFilter(name=NAME, typed_config=packed(config))


def as_asked() -> PerRouteConfig:
    """Switches the filter on for one route, and changes nothing of it."""
    return PerRouteConfig()
