"""What a store is. Its semantics are those of the Kubernetes API's storage: one revision counter for everything, optimistic
concurrency by it, and a watch that can be resumed from a revision until its history is compacted."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Where an object stands. `resource` is `plural.group` (`virtualservices.networking.istio.io`, `services` for the core
    group), so that all versions of one kind are one object. `namespace` is empty for kinds without one."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An object and the revision at which it was last written. `body` is the whole object, `metadata.resourceVersion`
    included; treat it as frozen."""

    key: Key
    body: Json
    revision: int


class EventType(Enum):
    """What happened to an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Event:
    """One change. For DELETED `object` is the last state, at the revision of the deletion. `previous` is what stood there
    before; None for ADDED, and for an event older than this process whose predecessor is compacted."""

    type: EventType
    object: Stored
    previous: Stored | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Write an object. `expected` 0: it must not exist; None: whatever is there; else the revision it must have."""

    key: Key
    body: Json
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an object; `expected` as in `Put`."""

    key: Key
    expected: int | None = None


class Conflict(Exception):
    """A write found another revision than it expected. `key` is the object, `actual` its revision (0: absent)."""

    def __init__(self, key: Key, actual: int) -> None:
        super().__init__(f"{key.resource} {key.namespace}/{key.name} is at revision {actual}")
        self.key = key
        self.actual = actual


class Gone(Exception):
    """A watch or list asked for a revision whose history is compacted: list again."""


class Store(Protocol):
    """Objects at rest. All methods may be called concurrently. A write that returned has been made durable."""

    async def get(self, key: Key) -> Stored | None:
        """The object, or None."""
        ...

    async def list(self, resource: str | None = None, namespace: str | None = None) -> tuple[Sequence[Stored], int]:
        """Objects sorted by key, and the store's revision at that instant. None: all."""
        ...

    async def write(self, writes: Sequence[Put | Delete]) -> Sequence[Stored]:
        """All of it or nothing, durably. One revision per write, in order. Raises Conflict. Sets
        `metadata.resourceVersion`. For a Delete the answer is the last state, and a missing object raises Conflict with
        actual 0 when `expected` is not None, KeyError otherwise."""
        ...

    def watch(self, resource: str | None = None, *, since: int) -> AsyncIterator[Event]:
        """Every change after revision `since`, in order, without end. Raises Gone at once or later, when the reader is
        too slow or `since` is compacted."""
        ...

    async def revision(self) -> int:
        """The revision of the last write; 0 for an empty store."""
        ...

    async def close(self) -> None:
        """Ends all watches and releases files."""
        ...
