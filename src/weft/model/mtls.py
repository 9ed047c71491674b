"""Which resource decides what a workload's port accepts: mTLS, plaintext or both.

The workload's own PeerAuthentication comes before its namespace's, and that before the mesh's; of several of one kind the oldest
holds. One that is silent (UNSET) leaves it to the next; when all are, the port is PERMISSIVE.
https://istio.io/latest/docs/reference/config/security/peer_authentication/
"""

from collections.abc import Iterable
from dataclasses import dataclass

from weft.model.endpoint import Endpoint
from weft.model.labels import Labels, selects
from weft.model.mesh import Mesh
from weft.model.security import MtlsMode, PeerAuthentication
from weft.model.service import ServicePort
from weft.ref import Ref


@dataclass(frozen=True, slots=True)
class Decision:
    """A mode, and the field that says it; None: nobody said anything."""

    mode: MtlsMode
    origin: Ref | None = None


def decision(mesh: Mesh, namespace: str, labels: Labels, *ports: int) -> Decision:
    """What an inbound port of a workload accepts, known to operators by any of the numbers `ports`, the first first. In the root
    namespace only what has no selector counts, and only a selector makes ports count."""
    root = mesh.settings.root_namespace
    own = mesh.peer_authentications.get(namespace, ())
    fitting = (one for one in own if one.selector and namespace != root and selects(one.selector, labels))
    of_workload = next(fitting, None)
    if of_workload:
        said = dict(of_workload.ports)
        if port := next((port for port in ports if port in said), None):
            return Decision(said[port], of_workload.origin.at(f"spec.portLevelMtls.{port}.mode"))
    for one in (of_workload, _whole(own), _whole(mesh.peer_authentications.get(root, ()))):
        if one and one.mode:
            return Decision(one.mode, one.origin.at("spec.mtls.mode"))
    return Decision(MtlsMode.PERMISSIVE)


def at_endpoint(mesh: Mesh, of: Endpoint, port: ServicePort) -> Decision:
    """What the sidecar before an endpoint of a service's `port` accepts (a port-level word is about the workload's port)."""
    numbers = of.numbers or (port.target_port or port.number, of.port)
    return decision(mesh, of.namespace, of.labels, *numbers)


def mtls_mode(mesh: Mesh, namespace: str, labels: Labels, *ports: int) -> MtlsMode:
    """The mode of `decision`."""
    return decision(mesh, namespace, labels, *ports).mode


def _whole(policies: Iterable[PeerAuthentication]) -> PeerAuthentication | None:
    return next((one for one in policies if not one.selector), None)
