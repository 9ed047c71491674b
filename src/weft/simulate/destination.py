"""A cluster as a destination: the endpoints that take new calls, and how they are spoken to."""

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.address_pb2 import Address
from envoy.config.core.v3.base_pb2 import Locality
from envoy.config.endpoint.v3.endpoint_components_pb2 import LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.extensions.clusters.aggregate.v3.cluster_pb2 import ClusterConfig as AggregateConfig
from envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2 import ProxyProtocolUpstreamTransport
from envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext

from weft.envoy.names import IDENTITY_SECRET, INNER_LISTENER
from weft.simulate import places
from weft.simulate.held import Held, Unreadable, cluster, is_ready, load_assignment, unpacked
from weft.simulate.outcome import Place, Share
from weft.simulate.virtual_host import without_port

_AGGREGATE = "envoy.clusters.aggregate"
_FORWARDING = "envoy.clusters.dynamic_forward_proxy"


def destination(held: Held, name: str, percent: float, authority: str, dialled: str = "") -> Share:
    """The cluster `name`. One that forwards to names goes to `dialled`, else to `authority`."""
    found = cluster(held, name)
    if found is None:
        return Share(name, percent, (INNER_LISTENER,) if name == INNER_LISTENER else ())
    if not _is_ready(held, found):
        return Share(name, percent, (), _tls(found))
    if found.cluster_type.name == _AGGREGATE:
        return _first(held, found, percent, authority)
    if found.cluster_type.name == _FORWARDING:
        return Share(name, percent, (dialled or _with_port(authority, _tls(found)),), _tls(found))
    there = _places(load_assignment(held, found), found)
    endpoints = tuple(sorted(one for place in there for one in place.endpoints))
    return Share(name, percent, endpoints, _tls(found), places=there if _is_uneven(there) else ())


def _first(held: Held, of: Cluster, percent: float, authority: str) -> Share:
    """The first cluster of several that can take calls; the first of all when none can."""
    config = unpacked(of.cluster_type.typed_config, AggregateConfig)
    if config is None:
        raise Unreadable(f"the aggregate cluster {of.name}")
    shares = [destination(held, name, percent, authority) for name in config.clusters]
    chosen = next((n for n, share in enumerate(shares) if share.endpoints), 0)
    if shares[chosen].endpoints and chosen < len(shares) - 1 and not _takes_all(held, config.clusters[chosen]):
        raise Unreadable(f"the cluster {config.clusters[chosen]}, which leaves a part of its calls to its fallback")
    return shares[chosen]


def _takes_all(held: Held, name: str) -> bool:
    found = cluster(held, name)
    return found is not None and places.can_take(load_assignment(held, found)) >= 100


def _with_port(authority: str, tls: str) -> str:
    return authority if without_port(authority) != authority else f"{authority}:{443 if tls else 80}"


def _places(of: ClusterLoadAssignment, cluster: Cluster) -> tuple[Place, ...]:
    """The localities that get calls. The panic mode is off in all clusters of ours."""
    return tuple(Place(_named(group.locality), percent, _endpoints(group)) for group, percent in places.shares(of, cluster))


def _named(of: Locality) -> str:
    return "/".join(part for part in (of.region, of.zone, of.sub_zone) if part)


def _endpoints(of: LocalityLbEndpoints) -> tuple[str, ...]:
    return tuple(_address(one.endpoint.address) for one in of.lb_endpoints if one.health_status in places.TAKING)


def _is_uneven(of: tuple[Place, ...]) -> bool:
    """Whether an endpoint of one place gets more than one of another."""
    parts = [place.percent / len(place.endpoints) for place in of]
    return bool(parts) and max(parts) > 1.001 * min(parts)


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
    socket = of.transport_socket
    outer = unpacked(socket.typed_config, ProxyProtocolUpstreamTransport)
    if outer is not None:
        socket = outer.transport_socket
    if unpacked(socket.typed_config, RawBuffer) is not None:
        return None
    context = unpacked(socket.typed_config, UpstreamTlsContext)
    if context is None:
        raise Unreadable(f"the transport socket {of.transport_socket.name}")
    return context
