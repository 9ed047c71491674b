"""A resource as it was read: its kind, its metadata and its typed body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.ref import Ref
from weft.resource.field import Message
from weft.resource.kind import Kind
from weft.resource.meta import ObjectMeta


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource. `spec` is an instance of `kind.type`; match on its class. `status` is as it was found, untyped.

    `meta.namespace` is never empty for a namespaced kind: what names none is in `default`.
    """

    kind: Kind
    meta: ObjectMeta
    spec: Message
    status: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def ref(self) -> Ref:
        """The whole resource, for findings and origins."""
        return Ref(self.kind.group, self.kind.kind, self.meta.namespace, self.meta.name)
