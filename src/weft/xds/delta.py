"""The wire of delta xDS: responses put together from bytes that all streams share.

A `Resource` is serialized once for each content; a response is a concatenation of such bytes with a nonce. Only the
aliases (the names a proxy used when it asked) differ from stream to stream, so they are appended to the shared bytes.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/discovery/v3/discovery.proto
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, NewType

from weft.envoy.types import EnvoyResource, TypeUrl

Nonce = NewType("Nonce", str)

# Field numbers of Resource, Any and DeltaDiscoveryResponse.
_VERSION, _BODY, _NAME, _ALIASES = 1, 2, 3, 4
_ANY_TYPE_URL, _ANY_VALUE = 1, 2
_RESOURCES, _TYPE_URL, _NONCE, _REMOVED = 2, 4, 5, 6


class Told(NamedTuple):
    """One resource of a response, with the names it answers besides its own."""

    resource: EnvoyResource
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """A DeltaDiscoveryResponse that is not yet bytes."""

    type_url: TypeUrl
    nonce: Nonce
    resources: tuple[Told, ...] = ()
    removed: tuple[str, ...] = ()

    def serialized(self) -> bytes:
        """The message's bytes."""
        parts = [_entry(told) for told in self.resources]
        parts.append(text_field(_TYPE_URL, self.type_url))
        parts.append(text_field(_NONCE, self.nonce))
        parts.extend(text_field(_REMOVED, name) for name in self.removed)
        return b"".join(parts)


def varint(number: int) -> bytes:
    """`number` as protobuf writes lengths and tags."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def bytes_field(number: int, value: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def text_field(number: int, value: str) -> bytes:
    """A string field."""
    return bytes_field(number, value.encode())


def _entry(told: Told) -> bytes:
    resource = told.resource
    shared = resource_bytes(resource.type_url, resource.name, resource.version, resource.body)
    if not told.aliases:
        return bytes_field(_RESOURCES, shared)
    return bytes_field(_RESOURCES, shared + b"".join(text_field(_ALIASES, alias) for alias in told.aliases))


@lru_cache(maxsize=16384)
def resource_bytes(type_url: TypeUrl, name: str, version: str, body: bytes) -> bytes:
    """A `Resource` without aliases. Equal content gives the same object, so that a thousand streams share it."""
    packed = text_field(_ANY_TYPE_URL, type_url) + bytes_field(_ANY_VALUE, body)
    return text_field(_VERSION, version) + bytes_field(_BODY, packed) + text_field(_NAME, name)
