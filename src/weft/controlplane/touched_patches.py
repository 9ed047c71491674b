"""What EnvoyFilters that changed make of Envoy's configuration, for callers and gateways that stand for all they may concern.

A patch is judged where it is applied: at an imagined sidecar that serves the ports it names, for some hosts (those it names,
and a few others), and at the gateways of the mesh. What it makes of other hosts is judged when a proxy is to be told.
"""

from collections.abc import Iterator

from weft.compile.snapshot import Cache, snapshot
from weft.controlplane.offline import route_names
from weft.envoy.names import HTTP_PROXY_ROUTES, inbound_cluster, outbound_cluster
from weft.envoy.types import EnvoyResource
from weft.model.extension import ClusterWhere, EnvoyFilter, ListenerWhere, RouteWhere
from weft.model.labels import labels
from weft.model.mesh import Mesh
from weft.model.workload import Address, InboundPort, Proxy, Workload
from weft.xds.snapshots import Snapshot

_NAME = "weft-canary"
_ANY = Address("127.0.0.1", 1)
_MOST = 8  # hosts, and gateways
_PORT = 8080


def changed(before: Mesh, after: Mesh) -> tuple[EnvoyFilter, ...]:
    """The EnvoyFilters of `after` that `before` did not have."""
    if before.envoy_filters is after.envoy_filters:
        return ()
    old = {one.origin: one for found in before.envoy_filters.values() for one in found}
    new = (one for _, found in sorted(after.envoy_filters.items()) for one in found)
    return tuple(one for one in new if old.get(one.origin) != one)


def proxies(mesh: Mesh, of: EnvoyFilter) -> Iterator[Proxy]:
    """Who is imagined: a sidecar for each selector, and the gateways that may be meant."""
    ports = sorted({_PORT, *(one.where.port for one in of.patches if isinstance(one.where, ListenerWhere) and one.where.port)})
    inbound = tuple(
        InboundPort(kind, number, kind, Address("127.0.0.1", 20000 + place), _ANY)
        for place, (number, kind) in enumerate([*((port, "http") for port in ports), (_PORT + 1, "tcp")])
    )
    for selector in of.selectors:
        yield Proxy(Workload(of.namespace, _NAME, "default", selector), http_proxy=_ANY, inbound=inbound)
        for _, one in sorted(mesh.gateways.items())[:_MOST]:
            namespace = one.namespace if of.namespace == mesh.settings.root_namespace else of.namespace
            own = labels({**dict(one.selector), **dict(selector)})
            yield Proxy(Workload(namespace, _NAME, "default", own), gateway=True)


def seen(mesh: Mesh, proxy: Proxy, of: EnvoyFilter, cache: Cache) -> Iterator[EnvoyResource]:
    """What such a proxy is told."""
    held: Snapshot = snapshot(mesh, proxy, cache)
    listeners = held.listeners()
    yield from listeners
    yield from (found for name in route_names(listeners) if (found := held.route_configuration(name)))
    clusters = dict.fromkeys((*held.eager_clusters(), *(inbound_cluster(one.number) for one in proxy.inbound)))
    for host, port in _hosts(mesh, of):
        if not proxy.gateway:
            yield held.virtual_host(HTTP_PROXY_ROUTES, f"{host}:{port}")
        clusters[outbound_cluster(port, "", host)] = None
    yield from (found for name in clusters if (found := held.cluster(name)))


def _hosts(mesh: Mesh, of: EnvoyFilter) -> Iterator[tuple[str, int]]:
    """Hosts and ports: those that patches name, then the first of the mesh."""
    named: list[str] = []
    for one in of.patches:
        match one.where:
            case ClusterWhere(service=host) | RouteWhere(domain=host) if host:
                named.append(host)
            case ClusterWhere(name=name) if name:
                named.append(name.rpartition("|")[2])
            case RouteWhere(host=name) if name:
                named.append(name.partition(":")[0])
    known = (host for host in mesh.services if not host.startswith("*"))
    for host in dict.fromkeys((*named, *(host for host, _ in zip(known, range(_MOST), strict=False)))):
        for service in mesh.services.get(host, ())[:1]:
            yield from ((host, port.number) for port in service.ports)
