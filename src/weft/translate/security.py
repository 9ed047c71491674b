"""PeerAuthentication into the model. Who wins among several is `model.mtls.decision`."""

from weft.model.labels import labels
from weft.model.security import MtlsMode, PeerAuthentication
from weft.resource.istio.peer_authentication import MutualTls
from weft.resource.istio.peer_authentication import PeerAuthentication as Spec
from weft.resource.resource import Resource
from weft.translate.statement import Statement

_MODES = {"STRICT": MtlsMode.STRICT, "PERMISSIVE": MtlsMode.PERMISSIVE, "DISABLE": MtlsMode.DISABLE}


def peer_authentication(resource: Resource, spec: Spec) -> Statement:
    """A PeerAuthentication. A port that inherits (UNSET) is left out: its workload's mode holds."""
    ports = ((int(port), _mode(mtls)) for port, mtls in spec.port_level_mtls.items())
    said = PeerAuthentication(
        resource.meta.namespace,
        resource.ref,
        labels(spec.selector.match_labels) if spec.selector else (),
        _mode(spec.mtls) if spec.mtls else None,
        tuple(sorted((port, mode) for port, mode in ports if mode)),
        resource.meta.creation_timestamp,
    )
    return Statement(resource.ref, peer_authentication=said)


def _mode(mtls: MutualTls) -> MtlsMode | None:
    return _MODES.get(mtls.mode)
