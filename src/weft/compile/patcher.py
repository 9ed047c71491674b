"""The patches of one proxy, applied to what is compiled for it.

A changed resource is a function of the resource and of the patches that may concern its kind, and that is its key: proxies with
the same patches share it.
"""

from collections.abc import Callable
from typing import Any, Protocol

from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain, ListenerFilter
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from google.protobuf.message import Message

from weft.compile.patch import cluster, listener, routes
from weft.compile.patch.place import Patched, Place, listener_place, routes_place
from weft.compile.scope import gateway, sidecar
from weft.envoy.names import HTTP_PROXY_ROUTES, gateway_port
from weft.envoy.types import EnvoyResource
from weft.model.extension import ApplyTo, Context, Patch
from weft.model.mesh import Mesh
from weft.model.workload import Proxy

_MESSAGES: dict[ApplyTo, type[Message]] = {
    ApplyTo.LISTENER: Listener,
    ApplyTo.FILTER_CHAIN: FilterChain,
    ApplyTo.NETWORK_FILTER: Filter,
    ApplyTo.HTTP_FILTER: HttpFilter,
    ApplyTo.LISTENER_FILTER: ListenerFilter,
    ApplyTo.ROUTE_CONFIGURATION: RouteConfiguration,
    ApplyTo.VIRTUAL_HOST: VirtualHost,
    ApplyTo.HTTP_ROUTE: Route,
    ApplyTo.EXTENSION_CONFIG: TypedExtensionConfig,
}


class Made(Protocol):
    """Where resources are kept by their input."""

    def resource(self, make: Callable[[Any], EnvoyResource], of: Any) -> EnvoyResource:
        """`make(of)`, or what it returned for an equal input before."""
        ...


class Patcher:
    """Applies `patches`, those of `proxy` in order."""

    def __init__(self, mesh: Mesh, proxy: Proxy, patches: tuple[Patch, ...], made: Made) -> None:
        self._mesh = mesh
        self._proxy = proxy
        self._made = made
        self._side = Context.GATEWAY if proxy.gateway else Context.SIDECAR_OUTBOUND
        self._clusters = tuple(one for one in patches if one.apply_to is ApplyTo.CLUSTER)
        self._others = tuple(one for one in patches if one.apply_to is not ApplyTo.CLUSTER)
        self._routes = tuple(one for one in patches if one.apply_to in (*routes.IN_ROUTES, ApplyTo.HTTP_FILTER))
        self._added = {one.name: one for one in map(cluster.added, filter(cluster.is_addition, patches))}

    def listeners(self, made: tuple[EnvoyResource, ...]) -> tuple[EnvoyResource, ...]:
        """The listeners, some changed, without those that are removed, with those that are added."""
        found: dict[str, EnvoyResource] = {}
        for one in made:
            place = self._listener_place(one.name)
            if not any(listener.is_removal(patch, place) for patch in self._others):
                found[one.name] = self._made.resource(listener.listener, Patched(one, place, self._others))
        for patch in filter(listener.is_addition, self._others):
            new = self._made.resource(listener.added, patch)
            found.setdefault(new.name, new)
        return tuple(found.values())

    def route_configuration(self, made: EnvoyResource) -> EnvoyResource:
        """A route configuration."""
        servers = self._servers(lambda one: one.routes == made.name)
        names = tuple(sorted({one.server.port_name for one in servers}))
        place = routes_place(made.name, self._side, names, tuple(sorted({one.gateway.key for one in servers})))
        return self._made.resource(routes.route_configuration, Patched(made, place, self._routes))

    def virtual_host(self, made: EnvoyResource, route_config: str, host: str) -> EnvoyResource:
        """A virtual host that is told on demand."""
        port = sidecar.port_of(self._mesh, self._proxy.workload.namespace, host)
        place = Place(self._side, (route_config, HTTP_PROXY_ROUTES), (port,) if port else ())
        return self._made.resource(routes.virtual_host, Patched(made, place, self._routes))

    def cluster(self, made: EnvoyResource | None, name: str) -> EnvoyResource | None:
        """A cluster of ours, or one that is added."""
        if made is None:
            return self._added.get(name)
        side = Context.SIDECAR_INBOUND if name.startswith("inbound|") else self._side
        return self._made.resource(cluster.cluster, Patched(made, Place(side), self._clusters))

    def eager_clusters(self) -> tuple[str, ...]:
        """What nobody asks for by name: clusters that are added, and those of the mesh that filters and routes send to."""
        said = (_MESSAGES[one.apply_to].FromString(one.value) for one in self._others if one.value)
        named = {name for one in said for name in cluster.clusters_named(one)}
        return tuple(sorted(named | set(self._added)))

    def _listener_place(self, name: str) -> Place:
        port = gateway_port(name)
        names = tuple(sorted({one.server.port_name for one in self._servers(lambda one: one.server.port == port)}))
        upstream = next((one.port for one in self._proxy.upstreams if name == f"upstream|{one.listen.port}"), 0)
        return listener_place(name, self._side, port, names, upstream)

    def _servers(self, wanted: Callable[[gateway.Opened], bool]) -> list[gateway.Opened]:
        return [one for one in gateway.opened(self._mesh, self._proxy) if wanted(one)] if self._proxy.gateway else []
