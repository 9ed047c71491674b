"""The route configuration: virtual hosts, or where to ask for them.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route.proto
"""

from envoy.config.route.v3.route_pb2 import RouteConfiguration

from weft.compile.filters import local_ratelimit, ratelimit
from weft.compile.filters.order import switched_off
from weft.compile.guard import per_route
from weft.compile.header import header
from weft.compile.scope.inputs import RouteConfigurationInput
from weft.compile.tls import ads
from weft.compile.virtual_host import clusters_used, held, virtual_host_message
from weft.envoy.types import ROUTE_CONFIGURATION, EnvoyResource, envoy_resource

_LARGEST_DIRECT_RESPONSE = 1 << 20  # Envoy's own default of 4 KiB would reject the whole configuration


def route_configuration(of: RouteConfigurationInput) -> EnvoyResource:
    """The route configuration."""
    message = RouteConfiguration(
        name=of.name,
        virtual_hosts=[virtual_host_message(one) for one in of.virtual_hosts],
        response_headers_to_add=[header("alt-svc", of.alternative, "ADD_IF_ABSENT")] if of.alternative else [],
        vhds={"config_source": ads()} if of.on_demand else None,
        ignore_port_in_host_matching=of.ignore_port,
        max_direct_response_body_size_bytes={"value": _LARGEST_DIRECT_RESPONSE},
        typed_per_filter_config={
            **switched_off(),
            **per_route(of.guard),
            **local_ratelimit.per_route(of.limits),
            **ratelimit.per_route(of.limits),
        },
    )
    hosts = of.virtual_hosts
    return envoy_resource(
        ROUTE_CONFIGURATION,
        of.name,
        message,
        clusters=tuple(sorted({name for one in hosts for name in clusters_used(one)})),
        hosts=of.limits.hosts.union(*(one.hosts for one in hosts)),
        origins=tuple(sorted({*of.guard.origins, *of.limits.origins, *(ref for one in hosts for ref in one.origins)})),
        hold=max((held(one) for one in hosts), default=0.0),
    )
