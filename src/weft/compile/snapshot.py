"""One proxy's configuration at one revision, compiled when it is asked for.

The input of each Envoy resource is the key of the cache: as long as it stays equal, every proxy and every revision gets the
same object. And what a host means is looked up once a mesh and namespace (endpoints also once a place), for all its proxies,
unless rules or policies of that host ask for the caller's labels.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from weft.compile import cluster as cluster_message
from weft.compile.endpoint import cluster_load_assignment
from weft.compile.fallback import fallback as fallback_message
from weft.compile.inbound import inbound_routes
from weft.compile.listener import listener
from weft.compile.patcher import Patcher
from weft.compile.route_configuration import route_configuration
from weft.compile.scope import gateway, listeners, secrets, sidecar
from weft.compile.scope.asking import asks_labels
from weft.compile.scope.inputs import VirtualHostInput
from weft.compile.scope.patches import patches
from weft.compile.scope.rules import fallback
from weft.compile.secret import secret as secret_message
from weft.compile.virtual_host import virtual_host
from weft.envoy.names import BLACK_HOLE, PASSTHROUGH, inbound_port, with_fallback
from weft.envoy.types import EnvoyResource
from weft.model.mesh import Mesh
from weft.model.workload import Proxy

Input = TypeVar("Input", bound=Hashable)
Found = TypeVar("Found")
Answer = TypeVar("Answer", EnvoyResource, EnvoyResource | None)


class View:
    """What proxies share that look at one mesh: the answers found."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.seen: dict[Hashable, Any] = {}


class Cache:
    """Compiled resources by their input; the least recently used go first when there are more than `size`, or more than `weight`
    bytes of them (an input takes several times as much memory as what is made of it)."""

    def __init__(self, size: int = 50_000, weight: int = 1 << 30) -> None:
        self._size = size
        self._weight = weight
        self._weighs = 0
        self._made: OrderedDict[tuple[Callable[..., Any], Hashable], EnvoyResource] = OrderedDict()
        self._lists: OrderedDict[tuple[Hashable, ...], tuple[EnvoyResource, ...]] = OrderedDict()
        self._view: View | None = None

    def resource(self, make: Callable[[Input], EnvoyResource], of: Input) -> EnvoyResource:
        """`make(of)`, or what it returned for an equal input before."""
        key = (make, of)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = make(of)
            self._weighs += len(found.body)
            while len(self._made) > self._size or (self._weighs > self._weight and len(self._made) > 1):
                _, gone = self._made.popitem(last=False)
                self._weighs -= len(gone.body)
        else:
            self._made.move_to_end(key)
        return found

    def resources(self, make: Callable[[Input], EnvoyResource], of: tuple[Input, ...]) -> tuple[EnvoyResource, ...]:
        """All of them, as the same tuple for equal inputs."""
        found = self._lists.get(of)
        if found is None:
            found = self._lists[of] = tuple(self.resource(make, one) for one in of)
            if len(self._lists) > self._size:
                self._lists.popitem(last=False)
        return found

    def kept(self, made: tuple[EnvoyResource, ...]) -> tuple[EnvoyResource, ...]:
        """The same tuple for equal resources."""
        return self._lists.setdefault(made, made)

    def view(self, mesh: Mesh) -> View:
        """What has been looked up in `mesh` so far. A new mesh begins anew; snapshots of an older one keep theirs."""
        if self._view is None or self._view.mesh is not mesh:
            self._view = View(mesh)
        return self._view

    @property
    def held(self) -> int:
        """How many resources it holds."""
        return len(self._made)


class ProxySnapshot:
    """What one proxy may ask for, at one revision."""

    __slots__ = ("_cache", "_caller", "_mesh", "_patcher", "_proxy", "_seen", "_view")

    def __init__(self, mesh: Mesh, proxy: Proxy, cache: Cache) -> None:
        self._mesh = mesh
        self._proxy = proxy
        self._cache = cache
        self._view = cache.view(mesh)
        self._seen = self._view.seen
        self._caller = sidecar.caller(mesh, proxy)
        own = patches(mesh, proxy)
        self._patcher = Patcher(mesh, proxy, own, cache) if own else None

    def listeners(self) -> tuple[EnvoyResource, ...]:
        """All listeners of the proxy."""
        scoped = gateway.listeners if self._proxy.gateway else listeners.listeners
        made = self._once(("listeners", self._proxy), lambda: self._cache.resources(listener, scoped(self._mesh, self._proxy)))
        if self._patcher is None:
            return made
        patcher = self._patcher
        return self._once(("patched listeners", self._proxy), lambda: self._cache.kept(patcher.listeners(made)))

    def route_configuration(self, name: str) -> EnvoyResource | None:
        """A route configuration that one of the listeners names; None when none does."""
        made = self._once(("routes", self._proxy, name), lambda: self._routes(name))
        return made if made is None or self._patcher is None else self._patcher.route_configuration(made)

    def _routes(self, name: str) -> EnvoyResource | None:
        mesh, proxy = self._mesh, self._proxy
        if proxy.gateway:
            return self._made(route_configuration, gateway.route_configuration(mesh, proxy, name))
        if number := inbound_port(name):
            return self._made(inbound_routes, listeners.inbound_routes(mesh, proxy, number))
        return self._made(route_configuration, listeners.route_configuration(mesh, proxy, name))

    def virtual_host(self, route_config: str, host: str) -> EnvoyResource:
        """The virtual host that answers `host`; one that says so when the host is unknown."""
        made = self._alike(
            ("host", route_config, host), lambda: self._cache.resource(virtual_host, self._host(route_config, host))
        )
        return made if self._patcher is None else self._patcher.virtual_host(made, route_config, host)

    def _host(self, route_config: str, host: str) -> VirtualHostInput:
        return sidecar.virtual_host(self._mesh, self._caller, route_config, host)

    def cluster(self, name: str) -> EnvoyResource | None:
        """A cluster by name. A destination that exists no more is a cluster without endpoints; None: nobody's name."""
        made = self._cluster(name)
        return made if self._patcher is None else self._patcher.cluster(made, name)

    def _cluster(self, name: str) -> EnvoyResource | None:
        if name == PASSTHROUGH:
            return self._once(name, cluster_message.passthrough)
        if name == BLACK_HOLE:
            return self._once(name, cluster_message.black_hole)
        if name.startswith("inbound|"):
            return self._made(cluster_message.application, listeners.application(self._mesh, self._proxy, inbound_port(name)))
        if with_fallback(name):
            return self._alike(("cluster", name), lambda: self._made(fallback_message, fallback(self._mesh, self._caller, name)))
        return self._alike(
            ("cluster", name), lambda: self._made(cluster_message.cluster, sidecar.cluster(self._mesh, self._caller, name))
        )

    def endpoints(self, name: str) -> EnvoyResource | None:
        """The endpoints of an outbound cluster; None for any other name."""
        place = (str(self._caller.locality), self._caller.network)
        return self._alike(
            ("endpoints", name, *place),
            lambda: self._made(cluster_load_assignment, sidecar.endpoints(self._mesh, self._caller, name)),
        )

    def secret(self, name: str) -> EnvoyResource | None:
        """What the mesh has of a secret that something of this proxy's own names; None while there is nothing good."""
        return self._once(("secret", name), lambda: self._made(secret_message, secrets.secret(self._mesh, name)))

    def eager_clusters(self) -> Iterable[str]:
        """What patches add or send to: everything else is named by a listener or asked for."""
        return () if self._patcher is None else self._patcher.eager_clusters()

    def _made(self, make: Callable[[Any], EnvoyResource], of: Hashable | None) -> EnvoyResource | None:
        return None if of is None else self._cache.resource(make, of)

    def _alike(self, key: tuple[str, ...], look: Callable[[], Answer]) -> Answer:
        """`look()`, once for all callers of a namespace; for each kind of labels where labels matter."""
        namespace, own = (self._caller.namespace, self._caller.edge, self._caller.obeys, key), (self._caller, key)
        found: Answer | None = self._seen.get(namespace) or self._seen.get(own)
        if found is None:
            found = look()
            matters = found is not None and asks_labels(self._mesh, found.hosts)
            self._seen[own if matters else namespace] = found
        return found

    def _once(self, key: Hashable, look: Callable[[], Found]) -> Found:
        if key not in self._seen:
            self._seen[key] = look()
        found: Found = self._seen[key]
        return found


def snapshot(mesh: Mesh, proxy: Proxy, cache: Cache) -> ProxySnapshot:
    """The configuration of `proxy` in `mesh`."""
    return ProxySnapshot(mesh, proxy, cache)
