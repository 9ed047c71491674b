"""ConfigMap: text under names."""

from collections.abc import Mapping

from weft.resource.core.secret import Base64
from weft.resource.field import Message


class ConfigMap(Message, frozen=True, kw_only=True):
    """https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/config-map-v1/"""

    data: Mapping[str, str] = {}
    binary_data: Mapping[str, Base64] = {}
    immutable: bool | None = None
