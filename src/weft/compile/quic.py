"""HTTP/3 at a gateway: a UDP listener beside the HTTPS one, with the same hosts, certificates and routes.
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http3
"""

from envoy.config.core.v3.base_pb2 import TransportSocket
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.transport_sockets.quic.v3.quic_transport_pb2 import QuicDownstreamTransport

from weft.compile import tls
from weft.compile.scope.inputs import HttpsChain
from weft.envoy.types import packed
from weft.model.workload import Address


def quic_listener(name: str, at: Address, chains: list[FilterChain]) -> Listener:
    """The listener. It shares its address among Envoy's own threads (SO_REUSEPORT), as Envoy asks of UDP."""
    both = {"ipv4_compat": True} if at.host == "::" else {}
    return Listener(
        name=name,
        address={"socket_address": {"protocol": "UDP", "address": at.host, "port_value": at.port, **both}},
        filter_chains=chains,
        udp_listener_config={"quic_options": {}, "downstream_socket_config": {"prefer_gro": {"value": True}}},
        traffic_direction="OUTBOUND",
        enable_reuse_port={"value": True},
    )


def quic_chain(of: HttpsChain, manager: Filter) -> FilterChain:
    """TLS is a part of QUIC, and always 1.3."""
    context = tls.downstream(of.ends, ("h3",))
    context.common_tls_context.tls_params.Clear()
    socket = QuicDownstreamTransport(downstream_tls_context=context)
    return FilterChain(
        name=of.routes,
        filter_chain_match={
            "transport_protocol": "quic",
            "server_names": [host for host in of.sni_hosts if host != "*"],
        },
        filters=[manager],
        transport_socket=TransportSocket(name="envoy.transport_sockets.quic", typed_config=packed(socket)),
    )
