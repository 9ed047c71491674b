"""What one Envoy holds: the resources it last acknowledged, as the control plane sent them.

Kept on disk, so that an Envoy that starts while the control plane is away can be given what it had. Versions are hashes
of the bytes: a resource whose version an Envoy names after a reconnect is the one remembered here, whoever sent it.
"""

import os
from pathlib import Path

import msgspec

from weft.envoy.types import TypeUrl

UNKNOWN_VERSION = "?"
"""Said to the control plane of a resource whose bytes are lost, so that it is sent again."""


class HeldResource(msgspec.Struct, frozen=True, array_like=True):
    """One resource. `body` is the serialized `envoy.service.discovery.v3.Resource`; empty when only the version is known."""

    version: str
    body: bytes
    aliases: tuple[str, ...] = ()


Held = dict[TypeUrl, dict[str, HeldResource]]
"""All that one Envoy holds, by type and name."""


def claimed(versions: dict[str, str], remembered: dict[str, HeldResource]) -> dict[str, HeldResource]:
    """What an Envoy that names `versions` holds, with the bytes as far as they are remembered."""
    found: dict[str, HeldResource] = {}
    for name, version in versions.items():
        known = remembered.get(name)
        found[name] = known if known and known.version == version else HeldResource(version, b"")
    return found


def versions(held: dict[str, HeldResource]) -> dict[str, str]:
    """What is told to the control plane as `initial_resource_versions`."""
    return {name: resource.version if resource.body else UNKNOWN_VERSION for name, resource in held.items()}


def encode(held: Held) -> bytes:
    """The file's content."""
    return msgspec.msgpack.encode(held)


def decode(content: bytes) -> Held:
    """What `encode` wrote; nothing when it is not readable, since it can be asked for again."""
    try:
        return msgspec.msgpack.decode(content, type=Held)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return {}


class HeldFiles:
    """The folder of what all Envoys of the node hold, one file an Envoy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, proxy: str) -> Path:
        return self._folder / f"{proxy.replace('/', '_')}.held"

    def read(self, proxy: str) -> Held:
        """What `proxy` (`namespace/name`) held last."""
        try:
            return decode(self._path(proxy).read_bytes())
        except OSError:
            return {}

    def write(self, proxy: str, held: Held) -> None:
        """Replaces the file; at any instant it is the old or the new one."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(proxy)
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(encode(held))
        fresh.replace(path)

    def forget(self, proxy: str) -> None:
        """Removes the file of a proxy that is gone."""
        self._path(proxy).unlink(missing_ok=True)
