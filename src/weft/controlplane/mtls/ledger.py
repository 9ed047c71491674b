"""How many calls were encrypted, hour by hour: what a report of a period is made from.

It is a sum of what the record of calls is told, in a file of its own that is kept for longer. Who called with an identity is
counted by service account, others by address; past a bound of these, in one port's hour, the rest is `*`.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.controlplane.call_record import destination
from weft.model.workload import Proxy
from weft.proto import node_pb2
from weft.telemetry.calls import MTLS, MTLS_ONLY

log = logging.getLogger("weft.controlplane.mtls")
HOUR = 3600
KEPT = 400 * 24 * HOUR
_MOST_CALLERS = 500
_WRITE_BEHIND = 3.0
_TABLE = """CREATE TABLE IF NOT EXISTS hours (hour INTEGER, workload TEXT, port INTEGER, transport TEXT, caller TEXT,
 refused INTEGER, count INTEGER NOT NULL, PRIMARY KEY (hour, workload, port, transport, caller, refused)) WITHOUT ROWID"""
_ADD = "INSERT INTO hours VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """Calls of one kind in one hour (Unix seconds of its beginning). `transport` is mtls, tls or plaintext; `refused`: it was
    turned away for not being the mesh's own."""

    hour: int
    workload: str
    port: int
    transport: str
    caller: str
    refused: bool = False


class Ledger:
    """The file `path`. `proxies` are those that are registered."""

    def __init__(self, path: Path, proxies: Callable[[], Mapping[str, Proxy]], now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._proxies = proxies
        self._now = now
        self._added: dict[Line, int] = {}
        self._callers: dict[tuple[int, str, int], set[str]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._database: sqlite3.Connection | None = None

    def observe(self, rows: Iterable[node_pb2.CallCounters]) -> None:
        """Takes what an agent reported."""
        proxies = self._proxies()
        for row in rows:
            if proxy := proxies.get(row.proxy):
                there = destination(proxy.workload)
                hour = int(min(row.last_seen, self._now())) // HOUR * HOUR
                transport = row.transport if row.transport in (MTLS, "tls") else "plaintext"
                workload = f"{there.namespace}/{there.workload}"
                caller = self._bounded(hour, workload, row.port, row.identity[:512] or row.address[:64])
                line = Line(hour, workload, row.port, transport, caller, row.denied_by == MTLS_ONLY)
                self._added[line] = self._added.get(line, 0) + row.count

    def _bounded(self, hour: int, workload: str, port: int, caller: str) -> str:
        known = self._callers.setdefault((hour, workload, port), set())
        if caller not in known and len(known) >= _MOST_CALLERS:
            return "*"
        known.add(caller)
        return caller

    async def open(self) -> None:
        """Opens the file; one that cannot be read is put aside."""
        await self._in_thread(self._open)

    async def run(self) -> None:
        """Writes what was added, until cancelled."""
        try:
            while True:
                await asyncio.sleep(_WRITE_BEHIND)
                await self.write()
        finally:
            await asyncio.shield(self._close())

    async def write(self) -> None:
        """Writes what was added."""
        added, self._added = self._added, {}
        ended = int(self._now()) - 2 * HOUR
        self._callers = {key: known for key, known in self._callers.items() if key[0] > ended}
        rows = [(one.hour, one.workload, one.port, one.transport, one.caller, one.refused, n) for one, n in added.items()]
        if rows:
            await self._in_thread(lambda: self._put(rows))

    async def lines(self, first: float, last: float) -> Mapping[Line, int]:
        """All calls of the hours that the period touches."""
        await self.write()
        return await self._in_thread(lambda: self._read(int(first) // HOUR * HOUR, last))  # type: ignore[no-any-return]

    def _read(self, first: int, last: float) -> Mapping[Line, int]:
        assert self._database
        asked = "SELECT hour, workload, port, transport, caller, refused, count FROM hours WHERE hour >= ? AND hour <= ?"
        found = self._database.execute(asked, (first, last))
        return {Line(hour, of, port, how, who, bool(refused)): count for hour, of, port, how, who, refused, count in found}

    def _open(self) -> None:
        try:
            self._database = self._opened()
        except sqlite3.DatabaseError as problem:
            log.warning('event=ledger-begun-anew reason="%s"', problem)
            self._path.rename(self._path.with_suffix(".unreadable"))
            self._database = self._opened()

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_TABLE)
        return database

    def _put(self, rows: Iterable[tuple[Any, ...]]) -> None:
        assert self._database
        try:
            with self._database:
                self._database.executemany(_ADD, rows)
                self._database.execute("DELETE FROM hours WHERE hour < ?", (int(self._now()) - KEPT,))
        except sqlite3.Error as problem:  # a full disk must not end the control plane
            log.warning('event=ledger-not-written reason="%s"', problem)

    async def _close(self) -> None:
        with suppress(RuntimeError):
            await self.write()
            await self._in_thread(lambda: self._database.close() if self._database else None)
            self._thread.shutdown()

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
