"""UDPRoute: where the datagrams of a Gateway's port go."""

from typing import Annotated, Literal

from weft.resource.field import UNSUPPORTED, Message
from weft.resource.gateway_api.l4_rule import L4Rule
from weft.resource.gateway_api.reference import ParentReference


class UdpRoute(Message, frozen=True, kw_only=True):
    """https://gateway-api.sigs.k8s.io/reference/spec/#udproute"""

    parent_refs: tuple[ParentReference, ...] = ()
    use_default_gateways: Annotated[Literal["All", "None"] | None, UNSUPPORTED] = None
    rules: tuple[L4Rule, ...] = ()
