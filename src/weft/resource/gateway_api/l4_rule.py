"""What the rules of TLSRoute, TCPRoute and UDPRoute have in common: connections, or datagrams, are only shared out.

https://gateway-api.sigs.k8s.io/reference/spec/#tcprouterule
"""

from weft.resource.field import Message, PortNumber
from weft.resource.gateway_api.reference import Weight


class BackendRef(Message, frozen=True, kw_only=True):
    """A share of the connections."""

    group: str = ""
    kind: str = "Service"
    name: str
    namespace: str = ""
    port: PortNumber | None = None
    weight: Weight = 1


class L4Rule(Message, frozen=True, kw_only=True):
    """Where connections go."""

    name: str = ""
    backend_refs: tuple[BackendRef, ...] = ()
