"""A UDP port of a gateway: datagrams of one caller go to one endpoint, and its answers back, until both are silent for a minute.
https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/udp_filters/udp_proxy

Envoy's proxy of datagrams knows no weights: of several backends the heaviest has them all.
"""

from envoy.config.listener.v3.listener_components_pb2 import ListenerFilter
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.udp.udp_proxy.v3.route_pb2 import Route
from envoy.extensions.filters.udp.udp_proxy.v3.udp_proxy_pb2 import UdpProxyConfig

from weft.compile.scope.inputs import DatagramListener
from weft.envoy.names import BLACK_HOLE, datagram_listener
from weft.envoy.types import LISTENER, EnvoyResource, duration, envoy_resource, packed

_SILENCE = 60.0  # Envoy's own default


def datagrams(of: DatagramListener) -> EnvoyResource:
    """The listener of one UDP port. It shares its address among Envoy's own threads (SO_REUSEPORT), as Envoy asks of UDP."""
    name, cluster = datagram_listener(of.port), of.cluster or BLACK_HOLE
    action = {"name": "route", "typed_config": packed(Route(cluster=cluster))}
    proxy = UdpProxyConfig(
        stat_prefix=name,
        matcher={"on_no_match": {"action": action}},
        idle_timeout=duration(_SILENCE),
    )
    both = {"ipv4_compat": True} if of.address.host == "::" else {}
    message = Listener(
        name=name,
        address={"socket_address": {"protocol": "UDP", "address": of.address.host, "port_value": of.address.port, **both}},
        listener_filters=[ListenerFilter(name="envoy.filters.udp_listener.udp_proxy", typed_config=packed(proxy))],
        udp_listener_config={"downstream_socket_config": {}},
        traffic_direction="OUTBOUND",
        enable_reuse_port={"value": True},
    )
    return envoy_resource(LISTENER, name, message, clusters=(cluster,), hosts=of.hosts, origins=of.origins)
