"""A resource as it was read: its kind, its metadata and its typed body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.ref import Ref
from weft.resource.field import Message
from weft.resource.kind import Kind
from weft.resource.kinds import by_kind
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


def ref_of(raw: object) -> Ref:
    """What `raw`, whatever it is, talks about, as far as it can be told before it is read."""
    if not isinstance(raw, Mapping):
        return Ref("", "Resource", "", "")
    meta = raw.get("metadata")
    meta = meta if isinstance(meta, Mapping) else {}
    name = _text(meta.get("name")) or _text(meta.get("generateName"))
    namespace = _text(meta.get("namespace"))
    kind = by_kind(_text(raw.get("apiVersion")), _text(raw.get("kind")))
    if kind is None:
        return Ref(_text(raw.get("apiVersion")).rpartition("/")[0], _text(raw.get("kind")) or "Resource", namespace, name)
    return Ref(kind.group, kind.kind, (namespace or "default") if kind.namespaced else "", name)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
