"""Asks for a virtual host, and as a net for a cluster, when a request first needs it, and holds the request meanwhile.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/on_demand_updates_filter
"""

from envoy.extensions.filters.http.on_demand.v3.on_demand_pb2 import OnDemand
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from weft.compile.tls import ads
from weft.envoy.types import duration, packed

NAME = "envoy.filters.http.on_demand"


def on_demand() -> HttpFilter:
    """The filter. A cluster that does not come within five seconds fails the request."""
    return HttpFilter(name=NAME, typed_config=packed(OnDemand(odcds={"source": ads(), "timeout": duration(5)})))
