"""The authorization policies that are for one port of a proxy."""

from collections.abc import Iterable

from weft.compile.scope.inputs import Guard
from weft.model.mesh import Mesh
from weft.model.workload import Workload


def guard(mesh: Mesh, of: Workload, ports: Iterable[int], *, is_http: bool, gateways: Iterable[str] = ()) -> Guard:
    """The guard of a port of `of`, known by `ports`. `gateways`: the Gateways (`namespace/name`) that it serves."""
    settings = mesh.settings
    served = frozenset(gateways)
    chosen = tuple(
        one
        for namespace in dict.fromkeys((settings.root_namespace, of.namespace))
        for one in mesh.authorizations.get(namespace, ())
        if one.is_for(of.namespace, of.labels, served, settings.root_namespace)
    )
    return Guard(chosen, tuple(dict.fromkeys(ports)), is_http, settings.trust_domain) if chosen else Guard()
