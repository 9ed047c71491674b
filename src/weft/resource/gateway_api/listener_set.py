"""ListenerSet: further listeners for a Gateway that allows it, perhaps of another namespace."""

from weft.resource.field import Message
from weft.resource.gateway_api.gateway import Listener
from weft.resource.gateway_api.reference import GROUP


class ParentGatewayReference(Message, frozen=True, kw_only=True):
    """The Gateway; without a namespace it is in the ListenerSet's."""

    group: str = GROUP
    kind: str = "Gateway"
    name: str
    namespace: str = ""


class ListenerSet(Message, frozen=True, kw_only=True):
    """https://gateway-api.sigs.k8s.io/reference/spec/#listenerset

    The Gateway's `allowedListeners` says whose it takes; routes name the ListenerSet as their parent.
    """

    parent_ref: ParentGatewayReference
    listeners: tuple[Listener, ...] = ()
