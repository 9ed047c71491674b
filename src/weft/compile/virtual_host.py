"""The virtual host: all that answers the spellings of one host.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-virtualhost
"""

from envoy.config.route.v3.route_components_pb2 import VirtualHost

from weft.compile import metadata
from weft.compile.route import clusters_of, hold_of, routes
from weft.compile.scope.inputs import VirtualHostInput
from weft.envoy.names import INNER_LISTENER
from weft.envoy.types import VIRTUAL_HOST, EnvoyResource, envoy_resource


def virtual_host(of: VirtualHostInput) -> EnvoyResource:
    """The virtual host as a resource of its own, sent on demand."""
    return envoy_resource(
        VIRTUAL_HOST,
        of.name,
        virtual_host_message(of),
        clusters=clusters_used(of),
        hosts=of.hosts,
        origins=of.origins,
        hold=held(of),
    )


def virtual_host_message(of: VirtualHostInput) -> VirtualHost:
    """The virtual host as a part of a route configuration."""
    return VirtualHost(
        name=of.name,
        domains=of.domains,
        routes=[made for one in of.routes for made in routes(one)],
        require_tls="ALL" if of.require_tls else "NONE",
        include_request_attempt_count=True,
        metadata=metadata.origin(of.origin),
    )


def held(of: VirtualHostInput) -> float:
    """Seconds for which a request may be held by one of its routes after that was replaced."""
    return max((hold_of(one) for one in of.routes), default=0.0)


def clusters_used(of: VirtualHostInput) -> tuple[str, ...]:
    """The clusters its routes send to, but for the one that every Envoy has from the start."""
    return tuple(sorted(set().union(*(clusters_of(one) for one in of.routes)) - {INNER_LISTENER}))
