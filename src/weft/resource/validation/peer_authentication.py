"""The rules of PeerAuthentication."""

from weft.resource.field_path import child
from weft.resource.istio.peer_authentication import PeerAuthentication
from weft.resource.problems import Problems
from weft.resource.validation.labels import labels


def peer_authentication(spec: PeerAuthentication, problems: Problems) -> None:
    """Ports are numbers, and they belong to workloads that were selected."""
    selector = spec.selector.match_labels if spec.selector else {}
    labels(selector, "spec.selector.matchLabels", problems)
    if spec.port_level_mtls and not selector:
        hint = "a port belongs to a workload: add selector.matchLabels"
        problems.invalid("spec.portLevelMtls", "ports need a selector that names labels", hint)
    for port in spec.port_level_mtls:
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
            place = child("spec.portLevelMtls", port)
            problems.invalid(place, f"{port[:40]!r} is not a port: a number between 1 and 65535")
