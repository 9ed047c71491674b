"""Secret: bytes under names, such as a certificate and its key."""

from collections.abc import Mapping
from typing import Annotated

from weft.resource.field import Message, checked

Base64 = Annotated[str, checked("base64", description="Bytes in base64.")]


class Secret(Message, frozen=True, kw_only=True):
    """https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/"""

    data: Mapping[str, Base64] = {}
    string_data: Mapping[str, str] = {}
    type: str = "Opaque"
    immutable: bool | None = None
