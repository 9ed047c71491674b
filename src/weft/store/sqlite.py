"""The store of a mesh: SQLite on the disk, the same objects in memory for reading.

One thread writes. Writes that arrive while it commits share the next commit, so that a thousand registrations at once
cost a few disk flushes; each of them is still all or nothing and gets its own answer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from weft.store.database import Database
from weft.store.history import History
from weft.store.memory import HISTORY
from weft.store.objects import Objects
from weft.store.store import Conflict, Delete, Event, EventType, Key, Put, Stored
from weft.store.transaction import events

T = TypeVar("T")
Answer = asyncio.Future[Sequence[Stored]]
Request = tuple[Sequence[Put | Delete], Answer]
Accepted = list[tuple[tuple[Event, ...], Answer]]


class SqliteStore:
    """`Store` in the file `path`. It is opened by `open` or by the first use, which raises InUse or NewerSchema; one
    process at a time. `history`: of how many last revisions a watch can be resumed."""

    def __init__(self, path: Path | str, *, history: int = HISTORY) -> None:
        self._path = Path(path)
        self._limit = history
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._opening = asyncio.Lock()
        self._database: Database | None = None
        self._objects = Objects()
        self._history = History(history)
        self._waiting: list[Request] = []
        self._committing: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Opens, migrates and reads the database; nothing when it is open."""
        async with self._opening:
            if self._closed:
                raise RuntimeError("the store is closed")
            if not self._database:
                database = await self._in_thread(lambda: Database(self._path, self._limit))
                contents = await self._in_thread(database.contents)
                self._objects = Objects(contents.objects)
                self._history = History(self._limit, contents.revision, contents.events)
                self._database = database

    async def get(self, key: Key) -> Stored | None:
        """See `Store.get`."""
        await self.open()
        return self._objects.get(key)

    async def list(self, resource: str | None = None, namespace: str | None = None) -> tuple[Sequence[Stored], int]:
        """See `Store.list`."""
        await self.open()
        return self._objects.sorted(resource, namespace), self._history.revision

    async def write(self, writes: Sequence[Put | Delete]) -> Sequence[Stored]:
        """See `Store.write`."""
        await self.open()
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting.append((tuple(writes), answer))
        if not self._committing:
            self._committing = asyncio.create_task(self._commit_waiting())
        return await answer

    async def watch(self, resource: str | None = None, *, since: int) -> AsyncIterator[Event]:
        """See `Store.watch`."""
        await self.open()
        async for event in self._history.after(since, resource):
            yield event

    async def revision(self) -> int:
        """See `Store.revision`."""
        await self.open()
        return self._history.revision

    async def close(self) -> None:
        """See `Store.close`. What was already asked to be written is."""
        async with self._opening:
            self._closed = True
            if self._committing:
                await self._committing
            self._history.close()
            if self._database:
                await self._in_thread(self._database.close)
            self._database = None
            self._thread.shutdown()

    async def _commit_waiting(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._commit(batch)
        finally:
            self._committing = None

    async def _commit(self, batch: Sequence[Request]) -> None:
        accepted = self._accepted(batch)
        everything = [event for done, _ in accepted for event in done]
        try:
            if everything:
                assert self._database
                database = self._database
                await self._in_thread(lambda: database.append(everything))
        except Exception as problem:
            for _, answer in accepted:
                _fail(answer, problem)
            return
        for event in everything:
            self._objects.apply(event)
        self._history.extend(everything)
        for done, answer in accepted:
            if not answer.done():
                answer.set_result([event.object for event in done])

    def _accepted(self, batch: Sequence[Request]) -> Accepted:
        """Those of the batch that conflict with nothing, each seeing the ones before it. The others are answered."""
        ahead = Ahead(self._objects)
        revision = self._history.revision
        accepted = []
        for writes, answer in batch:
            try:
                done = events(writes, ahead.get, revision)
            except (Conflict, KeyError) as problem:
                _fail(answer, problem)
                continue
            ahead.apply(done)
            revision += len(done)
            accepted.append((done, answer))
        return accepted

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


class Ahead:
    """The objects as they will be once the batch is committed."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._changed: dict[Key, Stored | None] = {}

    def get(self, key: Key) -> Stored | None:
        """The object at `key`, or None."""
        return self._changed[key] if key in self._changed else self._objects.get(key)

    def apply(self, events: Sequence[Event]) -> None:
        """Makes `events` part of the state to come."""
        for event in events:
            self._changed[event.object.key] = None if event.type is EventType.DELETED else event.object


def _fail(answer: Answer, problem: Exception) -> None:
    if not answer.done():
        answer.set_exception(problem)
