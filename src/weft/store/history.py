"""The last revisions of a store, and those who wait for the next ones.

There is one list for all readers: a reader is a position in it, so a slow one costs nothing. It falls off the end
when the list is compacted past it, and gets Gone, as a Kubernetes watch does.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from weft.store.store import Event, Gone


class History:
    """Events of contiguous revisions, ending at `revision`. At least the last `limit` are kept, at most twice as many."""

    def __init__(self, limit: int, revision: int = 0, events: Iterable[Event] = ()) -> None:
        self._limit = limit
        self._events = list(events)
        self._changed = asyncio.Event()
        self._closed = False
        self.revision = revision

    @property
    def compacted(self) -> int:
        """A watch since this revision or a later one can be resumed."""
        return self.revision - len(self._events)

    def extend(self, events: Sequence[Event]) -> None:
        """Appends what happened and wakes all readers."""
        self._events.extend(events)
        self.revision += len(events)
        if len(self._events) > 2 * self._limit:
            del self._events[: len(self._events) - self._limit]
        self._wake()

    def close(self) -> None:
        """Ends every `after` once it has said all that is there."""
        self._closed = True
        self._wake()

    def check(self, since: int) -> None:
        """Raises Gone when `since` is compacted, or of another history (greater than any revision of this one)."""
        if not self.compacted <= since <= self.revision:
            raise Gone(f"revision {since} is not in the history {self.compacted}..{self.revision}: list again")

    async def after(self, since: int, resource: str | None) -> AsyncIterator[Event]:
        """Every event after `since`, of one resource or all, until `close`. Raises Gone."""
        self.check(since)
        while True:
            changed = self._changed
            while since < self.revision:
                self.check(since)
                event = self._events[since - self.compacted]
                since += 1
                if resource is None or event.object.key.resource == resource:
                    yield event
            if self._closed:
                return
            if changed is self._changed:
                await changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
