"""ReferenceGrant: resources of which other namespaces may name those of this one."""

from msgspec import field

from weft.resource.field import Message


class ReferenceGrantFrom(Message, frozen=True, kw_only=True):
    """Who may refer."""

    group: str
    kind: str
    namespace: str


class ReferenceGrantTo(Message, frozen=True, kw_only=True):
    """What may be referred to; without a name, all of the kind."""

    group: str
    kind: str
    name: str = ""


class ReferenceGrant(Message, frozen=True, kw_only=True):
    """https://gateway-api.sigs.k8s.io/reference/spec/#referencegrant"""

    from_: tuple[ReferenceGrantFrom, ...] = field(name="from")
    to: tuple[ReferenceGrantTo, ...]
