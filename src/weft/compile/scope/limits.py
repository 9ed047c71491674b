"""How much one port of a proxy takes: the rate limits that are for it."""

from collections.abc import Iterable

from weft.compile.scope.screening_inputs import Limits
from weft.model.guard import is_for
from weft.model.mesh import Mesh
from weft.model.rate_limit import RateLimit
from weft.model.workload import Workload


def limits(mesh: Mesh, of: Workload, ports: Iterable[int], gateways: Iterable[str] = ()) -> Limits:
    """The limits of a port of `of`, known by `ports`. `gateways`: the Gateways (`namespace/name`) that it serves."""
    root, served, numbers = mesh.settings.root_namespace, frozenset(gateways), frozenset(ports)
    said = [
        one
        for namespace in dict.fromkeys((root, of.namespace))
        for one in mesh.guards.get(namespace, ())
        if isinstance(one, RateLimit)
    ]
    if not said:
        return Limits()
    chosen = [
        one
        for one in said
        if _backs(mesh, one, of, numbers) or (_is_open(one) and is_for(one, of.namespace, of.labels, served, root))
    ]
    found = [each for one in chosen for each in one.limits if not each.match.ports or numbers & set(each.match.ports)]
    hosts = frozenset(host for one in said for host in one.services)
    return Limits(tuple(sorted(found, key=lambda each: each.name)), hosts)


def _is_open(of: RateLimit) -> bool:
    """Whether it is for others than the endpoints of its Services."""
    return bool(of.gateways) or not of.services


def _backs(mesh: Mesh, said: RateLimit, of: Workload, numbers: frozenset[int]) -> bool:
    """Whether the workload answers at one of the ports for a Service that the limit is attached to."""
    return any(
        numbers & {number for port in service.ports for number in (port.number, port.target_port)}
        and any(endpoint.workload == of.key for endpoint in mesh.endpoints.get(service.hostname, ()))
        for host in said.services
        for service in mesh.services.get(host, ())
    )


def slots(of: Limits) -> int:
    """How many local limits of requests there are."""
    return len(of.said(connections=False, is_global=False))


def of_connections(of: Limits) -> Limits:
    """What of it a listener says."""
    return Limits(tuple(one for one in of.limits if one.connections), of.hosts)


def of_requests(of: Limits) -> Limits:
    """What of it a route configuration says."""
    return Limits(tuple(one for one in of.limits if not one.connections), of.hosts)
