"""A store without a file, for tests and for what may be forgotten."""

from collections.abc import AsyncIterator, Sequence

from weft.store.history import History
from weft.store.objects import Objects
from weft.store.store import Delete, Event, Key, Put, Stored
from weft.store.transaction import events

HISTORY = 4096
"""How many of the last revisions a watch can be resumed from, unless told otherwise."""


class MemoryStore:
    """`Store` in memory; a write is as durable as the process."""

    def __init__(self, *, history: int = HISTORY) -> None:
        self._objects = Objects()
        self._history = History(history)

    async def get(self, key: Key) -> Stored | None:
        """See `Store.get`."""
        return self._objects.get(key)

    async def list(self, resource: str | None = None, namespace: str | None = None) -> tuple[Sequence[Stored], int]:
        """See `Store.list`."""
        return self._objects.sorted(resource, namespace), self._history.revision

    async def write(self, writes: Sequence[Put | Delete]) -> Sequence[Stored]:
        """See `Store.write`."""
        done = events(writes, self._objects.get, self._history.revision)
        for event in done:
            self._objects.apply(event)
        self._history.extend(done)
        return [event.object for event in done]

    async def watch(self, resource: str | None = None, *, since: int) -> AsyncIterator[Event]:
        """See `Store.watch`."""
        async for event in self._history.after(since, resource):
            yield event

    async def revision(self) -> int:
        """See `Store.revision`."""
        return self._history.revision

    async def close(self) -> None:
        """See `Store.close`."""
        self._history.close()
