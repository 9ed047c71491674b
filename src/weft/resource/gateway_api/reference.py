"""How the resources of the Gateway API name others: parents, backends and objects.

https://gateway-api.sigs.k8s.io/reference/spec/#parentreference
"""

from typing import Annotated

from msgspec import Meta

from weft.resource.field import Int32, Message, PortNumber

GROUP = "gateway.networking.k8s.io"

Weight = Annotated[int, Meta(ge=0, le=1_000_000)]


class ParentReference(Message, frozen=True, kw_only=True):
    """What a route wants to be attached to: a Gateway (perhaps one listener of it), or a Service. Without a namespace it is in
    the route's."""

    group: str = GROUP
    kind: str = "Gateway"
    namespace: str = ""
    name: str
    section_name: str = ""
    port: PortNumber | None = None


class BackendObjectReference(Message, frozen=True, kw_only=True):
    """Where requests go: a Service unless it says otherwise. One of another namespace needs a ReferenceGrant there."""

    group: str = ""
    kind: str = "Service"
    name: str
    namespace: str = ""
    port: PortNumber | None = None


class LocalObjectReference(Message, frozen=True, kw_only=True):
    """An object of the same namespace."""

    group: str
    kind: str
    name: str


class SecretObjectReference(Message, frozen=True, kw_only=True):
    """A Secret, or what stands for one."""

    group: str = ""
    kind: str = "Secret"
    name: str
    namespace: str = ""


class ObjectReference(Message, frozen=True, kw_only=True):
    """An object of any kind."""

    group: str
    kind: str
    name: str
    namespace: str = ""


class Fraction(Message, frozen=True, kw_only=True):
    """`numerator` of `denominator`."""

    numerator: Int32
    denominator: Int32 = 100
