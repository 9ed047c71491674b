"""A filter chain: which connections, which TLS, which filters.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto
"""

from ipaddress import ip_network

from envoy.config.core.v3.base_pb2 import TransportSocket
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain, ListenerFilter
from envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector

from weft.envoy.types import packed


def filter_chain(
    name: str,
    filters: list[Filter],
    *,
    tls: bool = False,
    sni_hosts: tuple[str, ...] = (),
    alpn: tuple[str, ...] = (),
    sources: tuple[str, ...] = (),
    transport_socket: TransportSocket | None = None,
) -> FilterChain:
    """A chain for connections that are TLS (`tls`), name one of `sni_hosts`, offer one of `alpn` and come from one of `sources`
    (networks); without any, for what no other chain takes."""
    return FilterChain(
        name=name,
        filter_chain_match={
            "transport_protocol": "tls" if tls else "",
            "server_names": [host for host in sni_hosts if host != "*"],
            "application_protocols": alpn,
            "source_prefix_ranges": [_range(one) for one in sources],
        },
        filters=filters,
        transport_socket=transport_socket,
    )


def _range(network: str) -> dict[str, object]:
    found = ip_network(network, strict=False)
    return {"address_prefix": str(found.network_address), "prefix_len": {"value": found.prefixlen}}


def tls_inspector() -> ListenerFilter:
    """Reads the beginning of a connection: whether it is TLS, for whom, and what it offers to speak."""
    return ListenerFilter(name="envoy.filters.listener.tls_inspector", typed_config=packed(TlsInspector()))
