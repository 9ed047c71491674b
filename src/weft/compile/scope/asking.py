"""Whether what a caller gets depends on its labels: then it is made for each kind of caller, else once a namespace."""

from collections.abc import Iterable

from weft.model.locality import TrafficDistribution
from weft.model.mesh import Mesh
from weft.model.precedence import patterns
from weft.model.route import RouteSet
from weft.model.traffic import ServicePolicy


def asks_labels(mesh: Mesh, hosts: Iterable[str]) -> bool:
    """Whether what is made from `hosts` may differ between callers of one namespace: rules or policies of one of them, or of a
    wildcard that covers it, ask for the caller's labels."""
    return any(
        _asks_labels(mesh, key)
        for host in hosts
        for key in patterns(host)
        if key in mesh.routes or key in mesh.policies or key in mesh.services
    )


def _asks_labels(mesh: Mesh, key: str) -> bool:
    return (
        any(map(_routes_ask, mesh.routes.get(key, ())))
        or any(one.workload_selector or _places_ask(one) for one in mesh.policies.get(key, ()))
        or any(one.distribution is TrafficDistribution.SAME_NODE for one in mesh.services.get(key, ()))
    )


def _places_ask(of: ServicePolicy) -> bool:
    policies = (of.policy, *(one.policy for one in of.subsets if one.policy))
    ports = (port for one in policies for port in (one.all_ports, *(special for _, special in one.ports)))
    return any(one.load_balancing and one.load_balancing.locality and one.load_balancing.locality.labels for one in ports)


def _routes_ask(of: RouteSet) -> bool:
    http = any(match.source_labels for rule in of.http for match in rule.matches)
    return http or any(match.source_labels for rule in (*of.tcp, *of.tls) for match in rule.matches)
