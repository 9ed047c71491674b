"""Who may be asked about a request, and how paths are read, at one proxy."""

from weft.compile.scope.destinations import Caller, Missing, reached, shares
from weft.compile.scope.screening_inputs import Asked, Screening
from weft.model import precedence
from weft.model.mesh import Mesh
from weft.model.mesh_config import Authorizer, Normalization
from weft.model.route import Destination
from weft.model.service import Protocol
from weft.model.workload import Workload


def screening(mesh: Mesh, of: Workload) -> Screening:
    """What holds for all requests of a listener of `of`."""
    said = precedence.mesh_config(mesh)
    if said is None:
        return Screening(explain=mesh.settings.explain_denials)
    caller = Caller(of.namespace, of.labels, locality=of.locality, network=of.network, node=of.node)
    found = tuple(one for authorizer in said.authorizers if (one := _asked(mesh, caller, authorizer)))
    explain = mesh.settings.explain_denials if said.explain_denials is None else said.explain_denials
    hosts = frozenset(one.host for one in said.authorizers)
    return Screening(found, said.normalization, explain, hosts, (said.origin,))


def _asked(mesh: Mesh, caller: Caller, of: Authorizer) -> Asked | None:
    """None: nobody can be asked, as there is no such service, or one whose names are resolved when they are called."""
    to = reached(mesh, caller, Destination(of.host, port=of.port), of.port)
    if isinstance(to, Missing):
        return None
    first = shares(to)[0]
    speaks = of.http is not None or to.port.protocol in (Protocol.GRPC, Protocol.HTTP2) or bool(to.meshed)
    return Asked(of, first.cluster) if first.dial is None and speaks else None


def literal(of: Screening) -> bool:
    """Whether policies compare paths as they are written."""
    return of.normalization is not Normalization.DEFAULT
