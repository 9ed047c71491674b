"""What a caller is told when nothing can answer: plain text, what was asked, what is there, what is close.

These words reach an application's log, often without any other context: they name weft, the host as the mesh understood it,
and the names that may have been meant.
"""

from collections.abc import Iterable

from weft.compile.scope.lookup import Answer
from weft.model.mesh import Mesh
from weft.model.route import DirectResponse
from weft.model.service import Service
from weft.ref import Ref


def unknown_host(mesh: Mesh, namespace: str, of: Answer) -> DirectResponse:
    """404: no service of that name."""
    lines = [f"weft: no service {of.host} is known (asked from namespace {namespace})"]
    if near := mesh.nearest(of.host, namespace):
        lines.append(f"  close: {', '.join(near)}")
    else:
        lines.append("  hint: list what is known with `weft get services -A`")
    return _text(404, lines)


def hidden(host: str, by: Ref) -> DirectResponse:
    """404: the service is there, and the caller is not to know of it."""
    return _text(404, [f"weft: {by} does not let this workload call {host}", f"  hint: add it to spec.egress of {by}"])


def unknown_port(of: Service, number: int) -> DirectResponse:
    """404: the service is there, the port is not."""
    ports = ", ".join(f"{port.number} ({port.name})" if port.name else str(port.number) for port in of.ports) or "none"
    return _text(404, [f"weft: {of.hostname} has no port {number}", f"  its ports: {ports}"])


def blocked(host: str) -> DirectResponse:
    """502, as in Istio's REGISTRY_ONLY: the host is outside, and outside hosts must be declared."""
    return _text(502, [f"weft: {host} is outside the mesh and not declared", "  hint: declare it with a ServiceEntry"])


def no_rule(origin: Ref) -> DirectResponse:
    """404: the host has rules, and none of them matches the request."""
    return _text(404, [f"weft: no rule of {origin.resource} matches this request"])


def no_server(port: int, hosts: Iterable[str]) -> DirectResponse:
    """404 of a gateway: no rule serves the host that was asked for."""
    names = sorted(set(hosts))
    served = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return _text(404, [f"weft: this gateway serves no such host on port {port}", f"  hosts it serves: {served or 'none yet'}"])


def misdirected(origin: Ref) -> DirectResponse:
    """421: the request is for a host of another listener than its connection."""
    return _text(421, [f"weft: this connection is for {origin}: ask for the host on one whose TLS names it"])


def _text(status: int, lines: list[str]) -> DirectResponse:
    return DirectResponse(status, ("\n".join(lines) + "\n").encode(), "text/plain")
