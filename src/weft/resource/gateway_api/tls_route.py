"""TLSRoute: which TLS connections go where, by the name that they ask for; nothing inside them is read."""

from typing import Annotated, Literal

from weft.resource.field import UNSUPPORTED, Message
from weft.resource.gateway_api.l4_rule import L4Rule
from weft.resource.gateway_api.reference import ParentReference


class TlsRoute(Message, frozen=True, kw_only=True):
    """https://gateway-api.sigs.k8s.io/reference/spec/#tlsroute"""

    parent_refs: tuple[ParentReference, ...] = ()
    use_default_gateways: Annotated[Literal["All", "None"] | None, UNSUPPORTED] = None
    hostnames: tuple[str, ...] = ()
    rules: tuple[L4Rule, ...] = ()
