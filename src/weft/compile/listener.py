"""The listener of an input, whichever kind it is.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener.proto
"""

from weft.compile import gateway, inbound, outbound, udp_proxy
from weft.compile.scope.inputs import (
    DatagramListener,
    GatewayListener,
    HttpProxyListener,
    InboundListener,
    InnerListener,
    ListenerInput,
    QuicListener,
    UpstreamListener,
)
from weft.envoy.types import EnvoyResource


def listener(of: ListenerInput) -> EnvoyResource:
    """The listener."""
    match of:
        case HttpProxyListener():
            return outbound.http_proxy(of)
        case InnerListener():
            return outbound.connect_inner(of)
        case UpstreamListener():
            return outbound.upstream(of)
        case InboundListener():
            return inbound.inbound(of)
        case QuicListener():
            return gateway.quic(of)
        case GatewayListener():
            return gateway.gateway(of)
        case DatagramListener():
            return udp_proxy.datagrams(of)
