"""A cluster as a destination: the endpoints that take new calls, and how they are spoken to."""

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.address_pb2 import Address
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext

from weft.envoy.names import IDENTITY_SECRET, INNER_LISTENER
from weft.simulate.held import Held, Unreadable, cluster, is_ready, load_assignment, unpacked
from weft.simulate.outcome import Share
from weft.simulate.virtual_host import without_port

_TAKING = (HealthStatus.UNKNOWN, HealthStatus.HEALTHY, HealthStatus.DEGRADED)
_FORWARDING = "envoy.clusters.dynamic_forward_proxy"


def destination(held: Held, name: str, percent: float, authority: str, dialled: str = "") -> Share:
    """The cluster `name`. One that forwards to names goes to `dialled`, else to `authority`."""
    found = cluster(held, name)
    if found is None:
        return Share(name, percent, (INNER_LISTENER,) if name == INNER_LISTENER else ())
    if not _is_ready(held, found):
        return Share(name, percent, (), _tls(found))
    if found.cluster_type.name == _FORWARDING:
        return Share(name, percent, (dialled or _with_port(authority, _tls(found)),), _tls(found))
    return Share(name, percent, _endpoints(load_assignment(held, found)), _tls(found))


def _with_port(authority: str, tls: str) -> str:
    return authority if without_port(authority) != authority else f"{authority}:{443 if tls else 80}"


def _endpoints(of: ClusterLoadAssignment) -> tuple[str, ...]:
    """Those of the first priority that has any. The panic mode is off in all clusters of ours."""
    by_priority: dict[int, list[str]] = {}
    for locality in of.endpoints:
        for one in locality.lb_endpoints:
            if one.health_status in _TAKING:
                by_priority.setdefault(locality.priority, []).append(_address(one.endpoint.address))
    return tuple(sorted(by_priority[min(by_priority)])) if by_priority else ()


def _address(of: Address) -> str:
    match of.WhichOneof("address"):
        case "socket_address":
            host = of.socket_address.address
            return f"{f'[{host}]' if ':' in host else host}:{of.socket_address.port_value}"
        case "pipe":
            return str(of.pipe.path)
    raise Unreadable(f"an endpoint at {of.WhichOneof('address')}")


def _is_ready(held: Held, of: Cluster) -> bool:
    context = _context(of)
    return context is None or is_ready(held, context.common_tls_context)


def _tls(of: Cluster) -> str:
    found = _context(of)
    if found is None:
        return ""
    context = found.common_tls_context
    named = [one.name for one in context.tls_certificate_sds_secret_configs]
    if IDENTITY_SECRET in named:
        return "mesh"
    return "mutual" if named or context.tls_certificates else "simple"


def _context(of: Cluster) -> UpstreamTlsContext | None:
    if not of.HasField("transport_socket"):
        return None
    context = unpacked(of.transport_socket.typed_config, UpstreamTlsContext)
    if context is None:
        raise Unreadable(f"the transport socket {of.transport_socket.name}")
    return context
