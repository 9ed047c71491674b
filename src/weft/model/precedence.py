"""Who wins: which service, rules and policies a caller gets when several things were said of one host.

The rules are Istio's: the nearer visibility before the wider, the more specific host before the wildcard, then the older.
https://istio.io/latest/docs/ops/best-practices/traffic-management/ and, for the order of DestinationRules,
https://istio.io/latest/docs/reference/config/networking/destination-rule/
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address, ip_network

from weft.model.defaults import NO_DEFAULTS, Defaults, together
from weft.model.endpoint import Endpoint
from weft.model.labels import Labels, selects
from weft.model.mesh import Mesh
from weft.model.mesh_config import MeshConfig
from weft.model.route import RouteSet
from weft.model.service import Service
from weft.model.sidecar import Sidecar
from weft.model.traffic import PortPolicy, ServicePolicy, TrafficPolicy

MESH = "mesh"  # the gateway that stands for all sidecars


@lru_cache(maxsize=1024)
def patterns(host: str) -> tuple[str, ...]:
    """The keys of a mesh's mappings that fit `host`: itself, then every wildcard, the most specific first. Remembered, since
    one question about a host looks it up in several mappings."""
    rest = host[1:] if host.startswith("*") else host
    wildcards = ["*" + rest[start:] for start in range(1, len(rest))]
    return (host, *wildcards, *(("*",) if host != "*" else ()))


def visible(export_to: tuple[str, ...], namespace: str) -> bool:
    """Whether what is exported to `export_to` is seen from `namespace`."""
    return "*" in export_to or namespace in export_to


def nearness(export_to: tuple[str, ...], own: str) -> int:
    """Istio's order among what is visible: 0 private to the namespace `own` that wrote it, 1 exported by name, 2 public."""
    if "*" in export_to:
        return 2
    return 0 if export_to == (own,) else 1


def sidecar(mesh: Mesh, namespace: str, labels: Labels) -> Sidecar | None:
    """The Sidecar that a workload's proxy obeys: the oldest of its namespace whose selector fits, else the namespace's own, else
    the root namespace's. What it does not say of the way out it has from the next of them."""
    if not mesh.sidecars:
        return None
    own, root = mesh.sidecars.get(namespace, ()), mesh.sidecars.get(mesh.settings.root_namespace, ())
    selected = next((one for one in own if one.selector and selects(one.selector, labels)), None)
    levels = [selected, *(next((one for one in level if not one.selector), None) for level in (own, root))]
    said = [one for one in levels if one]
    if not said:
        return None
    found = said[0]
    for one in said[1:]:
        found = found.over(one)
    return found.within(namespace, mesh.settings.domain)


@dataclass(frozen=True, slots=True)
class Limit:
    """What a Sidecar lets a caller know, when it calls `port`."""

    sidecar: Sidecar
    port: int


def _known(limit: Limit | None, namespace: str, host: str) -> bool:
    return limit is None or limit.sidecar.imports(namespace, host, limit.port)


def service(mesh: Mesh, host: str, namespace: str, limit: Limit | None = None) -> Service | None:
    """The service that a caller in `namespace` means by the full name `host`: its own namespace's before others', an exact
    name before a wildcard. None: unknown, not visible from there, or beyond the caller's limit."""
    for key in _keys(mesh, host):
        seen = [one for one in mesh.services[key] if visible(one.export_to, namespace) and _known(limit, one.namespace, host)]
        if seen:
            found = min(seen, key=lambda one: one.namespace != namespace)  # min keeps the order of the mesh among equals
            return _meant(mesh, found, host)
    return None


def _keys(mesh: Mesh, host: str) -> Iterator[str]:
    """The services that a name may mean: its own, then a headless one that it is an instance of, then wildcards."""
    if host in mesh.services:
        yield host
    parent = host.partition(".")[2]
    if any(one.headless for one in mesh.services.get(parent, ())):
        yield parent
    yield from (key for key in patterns(host) if key != host and key in mesh.services)


def _meant(mesh: Mesh, found: Service, host: str) -> Service:
    """One instance of a headless service, or the service that another name stands for."""
    if found.headless and host != found.hostname:
        return replace(found, hostname=host, instance=host.partition(".")[0])
    others = mesh.services.get(found.alias, ()) if found.alias else ()
    return next((one for one in others if not one.alias), found)


def service_at(mesh: Mesh, address: str, port: int, namespace: str, limit: Limit | None = None) -> Service | None:
    """The service that has `address`, or a range that it is in: one with `port` before others."""
    ranges = [key for key in mesh.addresses if "/" in key and ip_address(address) in ip_network(key, strict=False)]
    said = [one for key in (address, *sorted(ranges)) for one in mesh.addresses.get(key, ())]
    found = [
        one
        for host, origin in said
        for one in mesh.services.get(host, ())
        if one.origin == origin and visible(one.export_to, namespace) and _known(limit, one.namespace, host)
    ]
    return min(found, key=lambda one: one.port(port) is None, default=None)


def endpoints(mesh: Mesh, of: Service) -> tuple[Endpoint, ...]:
    """The endpoints of `of`; two namespaces that declare one host do not share theirs."""
    host = of.backed_by
    shared = any(one.namespace == of.namespace for one in mesh.services.get(host, ())[:1])
    found = mesh.endpoints.get(host if shared else f"{of.namespace}/{host}", ())
    if not of.instance:
        return found
    return tuple(one for one in found if one.workload == f"{of.namespace}/{of.instance}")


def route_set(mesh: Mesh, host: str, namespace: str, limit: Limit | None = None, port: int = 0) -> RouteSet | None:
    """The rules that a sidecar in `namespace` follows for the full name `host`, on `port` (0: any). One VirtualService wins
    whole: they are not merged in the mesh. None: plain forwarding."""
    for key in patterns(host):
        if key not in mesh.routes:
            continue
        bound = [
            one
            for one in mesh.routes[key]
            if MESH in one.gateways and visible(one.export_to, namespace) and (not port or not one.ports or port in one.ports)
        ]
        seen = [one for one in bound if _known(limit, one.namespace, host)]
        if seen:
            return min(seen, key=lambda one: nearness(one.export_to, one.namespace))
    return None


def gateway_route_sets(mesh: Mesh, gateway: str, namespace: str) -> tuple[RouteSet, ...]:
    """All rules bound to `gateway` (`namespace/name`) that a gateway workload in `namespace` sees, in order of precedence.
    For one host all of them apply, the first match winning."""
    bound = _bound(mesh, gateway) if mesh.gateway_routes is None else mesh.gateway_routes.get(gateway, ())
    return tuple(one for one in bound if visible(one.export_to, namespace))


def _bound(mesh: Mesh, gateway: str) -> list[RouteSet]:
    found = {(one.origin, one.hosts): one for sets in mesh.routes.values() for one in sets if gateway in one.gateways}
    return sorted(found.values(), key=rank)


def rank(of: RouteSet) -> tuple[int, str, str, str, tuple[str, ...]]:
    """Sorts the rules bound to one gateway: the smaller comes first."""
    return nearness(of.export_to, of.namespace), of.created, of.namespace, of.origin.name, of.hosts


def policy(mesh: Mesh, of: Service, namespace: str, labels: Labels = ()) -> ServicePolicy | None:
    """The DestinationRule that a proxy in `namespace` with `labels` applies to `of`: from its own namespace, else from the
    service's, else from the root namespace. Within one, the most specific host wins, and a rule whose workload selector fits
    before one without."""
    own = namespace if namespace != mesh.settings.root_namespace else ""
    for owner in dict.fromkeys((own, of.namespace, mesh.settings.root_namespace)):
        if owner and (found := _policy_from(mesh, owner, of.backed_by, namespace, labels)):
            return found
    return None


def _policy_from(mesh: Mesh, owner: str, host: str, namespace: str, labels: Labels) -> ServicePolicy | None:
    for key in patterns(host):
        fitting = [
            one
            for one in mesh.policies.get(key, ())
            if one.namespace == owner
            and visible(one.export_to, namespace)
            and (not one.workload_selector or (owner == namespace and selects(one.workload_selector, labels)))
        ]
        if fitting:
            return min(fitting, key=lambda one: not one.workload_selector)
    return None


def port_policy(of: ServicePolicy | None, port: int, subset: str = "") -> PortPolicy:
    """What a port of a service (or of its subset) is given when `of` applies. The subset's words replace the service's one
    by one; what a port is given replaces everything, as in Istio."""
    if of is None:
        return PortPolicy()
    base = _on_port(of.policy, port, PortPolicy())
    laid = next((one.policy for one in of.subsets if one.name == subset), None)
    return _on_port(laid, port, base) if laid else base


def _on_port(of: TrafficPolicy, port: int, under: PortPolicy) -> PortPolicy:
    own = of.all_ports
    budget, tunnel = own.retry_budget or under.retry_budget, own.tunnel or under.tunnel
    version = own.proxy_protocol or under.proxy_protocol
    for number, special in of.ports:
        if number == port:
            return replace(special, retry_budget=budget, proxy_protocol=version, tunnel=tunnel)
    return PortPolicy(
        own.load_balancing or under.load_balancing,
        own.connection_pool or under.connection_pool,
        own.outlier_detection or under.outlier_detection,
        own.tls or under.tls,
        budget,
        version,
        tunnel,
    )


def defaults(mesh: Mesh, namespace: str) -> Defaults:
    """What holds in `namespace` when nobody said otherwise: its own TrafficDefaults (the oldest), over those of the root
    namespace."""
    if not mesh.defaults:
        return NO_DEFAULTS
    root = mesh.settings.root_namespace
    own = mesh.defaults.get(namespace, ()) if namespace != root else ()
    return together(*(next(iter(found), None) for found in (own, mesh.defaults.get(root, ()))))


def mesh_config(mesh: Mesh) -> MeshConfig | None:
    """The MeshConfig that holds: the oldest of the root namespace."""
    return next(iter(mesh.configs.get(mesh.settings.root_namespace, ())), None)


def placed(mesh: Mesh, of: Service) -> Service:
    """The service with what its namespace says of places, where it says nothing itself."""
    said = mesh.distributions.get(of.namespace)
    return replace(of, distribution=said) if said and of.distribution is None else of


def allows_any(mesh: Mesh, namespace: str) -> bool:
    """Whether callers in `namespace` may call hosts outside that nobody declared."""
    said = defaults(mesh, namespace).allow_any
    return mesh.settings.allow_any if said is None else said
