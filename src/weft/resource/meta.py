"""A resource's metadata, as in Kubernetes
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/)."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from weft.resource.field import Message

_MANAGED = Meta(
    extra_json_schema={
        "type": "array",
        "items": {"type": "object"},
        "description": "Who set which fields; the API keeps it (at rest as one text).",
    }
)


class OwnerReference(Message, frozen=True, kw_only=True):
    """A resource whose deletion deletes this one."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Message, frozen=True, kw_only=True):
    """Name, namespace, labels, and what the API writes. `creation_timestamp` is RFC 3339; empty before it is stored."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    deletion_grace_period_seconds: int | None = None
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()
    managed_fields: Annotated[Any, _MANAGED] = ()
    self_link: str = ""
