"""The record of calls: what all sidecars told of who called what, in a file that survives the control plane.

It is evidence, not configuration: it is kept beside the store, what the last seconds said may be lost with a killed process,
and a file that cannot be read is put aside and begun anew. What was not seen for `KEPT` seconds is forgotten.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from weft.model.labels import labels
from weft.model.workload import Proxy, Workload
from weft.proto import node_pb2
from weft.telemetry.calls import Caller, CallTable, Edge, Operation, Seen
from weft.telemetry.recorded import Destination, RecordedCall

log = logging.getLogger("weft.controlplane")
KEPT = 7 * 24 * 3600.0
_WRITE_BEHIND = 3.0  # seconds
_FORGET = 60.0


class CallRecord:
    """The record. `proxies` are those that are registered, by their names."""

    def __init__(
        self, path: Path, proxies: Callable[[], Mapping[str, Proxy]], now: Callable[[], float] = time.time, kept: float = KEPT
    ) -> None:
        self._path = path
        self._proxies = proxies
        self._now = now
        self._kept = kept
        self._table: CallTable[Destination] = CallTable()
        self._changed: set[Edge[Destination]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="calls")
        self._database: sqlite3.Connection | None = None

    # What is told and asked

    def observe(self, rows: Iterable[node_pb2.CallCounters]) -> None:
        """Takes what an agent reported of proxies that are its own."""
        proxies, now = self._proxies(), self._now()
        for row in rows:
            if proxy := proxies.get(row.proxy):
                caller = Caller(row.identity[:512], row.address[:64], row.transport[:16])
                edge = Edge(destination(proxy.workload), row.port, caller, row.denied_by[:512], row.shadow[:512])
                seen = Seen(row.count, min(row.first_seen, now), min(row.last_seen, now))
                self.add(edge, Operation(row.method[:32], row.host[:256], row.path[:512]), seen)

    def add(self, edge: Edge[Destination], operation: Operation, seen: Seen) -> None:
        """Takes calls of one kind."""
        edge, _ = self._table.add(edge, operation, seen)
        self._changed.add(edge)

    def calls(self, within: float | None = None) -> Iterator[RecordedCall]:
        """What was seen in the last `within` seconds; all that is remembered without it."""
        since = 0.0 if within is None else self._now() - within
        return (call for call in self._table if call.seen.last >= since)

    def now(self) -> float:
        """Its clock, in Unix seconds."""
        return self._now()

    def __len__(self) -> int:
        return len(self._table)

    # The file

    async def open(self) -> None:
        """Reads what was recorded before."""
        rows = await self._in_thread(self._read)
        for body in rows:
            with suppress(msgspec.DecodeError, TypeError, KeyError, ValueError):
                for edge, operation, seen in _decoded(body):
                    self._table.add(edge, operation, seen)

    async def run(self) -> None:
        """Writes what changed, until cancelled."""
        forgotten = self._now()
        try:
            while True:
                await asyncio.sleep(_WRITE_BEHIND)
                if self._now() - forgotten > _FORGET:
                    forgotten = self._now()
                    self._changed.update(self._table.forget(forgotten - self._kept))
                await self._write()
        finally:
            await asyncio.shield(self._close())

    async def _close(self) -> None:
        await self._write()
        await self._in_thread(lambda: self._database.close() if self._database else None)
        self._thread.shutdown()

    async def _write(self) -> None:
        changed, self._changed = self._changed, set()
        if changed:
            rows = [(_key(edge), _encoded(edge, tuple(self._table.of(edge)))) for edge in changed]
            await self._in_thread(lambda: self._put(rows))

    def _read(self) -> list[bytes]:
        try:
            self._database = _opened(self._path)
            return [row[0] for row in self._database.execute("SELECT calls FROM edges")]
        except sqlite3.DatabaseError as problem:
            log.warning('event=call-record-begun-anew reason="%s"', problem)
            self._path.rename(self._path.with_suffix(".unreadable"))
            self._database = _opened(self._path)
            return []

    def _put(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        assert self._database
        try:
            with self._database:
                self._database.executemany("DELETE FROM edges WHERE edge = ?", [(key,) for key, body in rows if not body])
                self._database.executemany("INSERT OR REPLACE INTO edges VALUES (?, ?)", [row for row in rows if row[1]])
        except sqlite3.Error as problem:  # a full disk must not end the control plane
            log.warning('event=call-record-not-written reason="%s"', problem)

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def destination(of: Workload) -> Destination:
    """Whom a workload stands for in the record."""
    said = dict(of.labels)
    name = said.get("app") or said.get("app.kubernetes.io/name") or of.name
    return Destination(of.namespace, name, of.service_account, of.labels)


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("CREATE TABLE IF NOT EXISTS edges (edge BLOB PRIMARY KEY, calls BLOB NOT NULL) WITHOUT ROWID")
    return database


def _key(of: Edge[Destination]) -> bytes:
    return msgspec.json.encode(of)


def _encoded(edge: Edge[Destination], calls: Sequence[RecordedCall]) -> bytes:
    """Empty: there is nothing left of it."""
    return msgspec.json.encode({"edge": edge, "calls": [(call.operation, call.seen) for call in calls]}) if calls else b""


def _decoded(body: bytes) -> Iterator[tuple[Edge[Destination], Operation, Seen]]:
    said = msgspec.json.decode(body)
    of = said["edge"]
    there = {**of.pop("destination")}
    found = Destination(**{**there, "labels": labels(dict(there["labels"]))})
    edge = Edge(**{**of, "destination": found, "caller": Caller(**of["caller"])})
    for operation, seen in said["calls"]:
        yield edge, Operation(**operation), Seen(**seen)
