"""The control socket: JSON lines, a request with an `id` and an `op`, an answer with the same `id`, and events without one.

Who may speak: this user, since the socket is 0600 in a folder of their own.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from weft.supervisor.private_socket import private_socket

LONGEST_LINE = 16 * 1024 * 1024
Json = dict[str, Any]


class Refused(Exception):
    """A request that cannot be done. The text is told to who asked."""


class Connection:
    """One peer. `send` never waits; `closed` are called when it is gone."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.closed: list[Callable[[], None]] = []

    def send(self, message: Mapping[str, Any]) -> None:
        """Says something, unless the peer is gone."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")


Op = Callable[[Connection, Json], Awaitable[Json]]


class Control:
    """The server. Requests of one connection run side by side: a `wait` does not hold up a `health`."""

    def __init__(self, path: Path, ops: Mapping[str, Op]) -> None:
        self._path, self._ops = path, ops
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serves until cancelled."""
        server = await asyncio.start_unix_server(self._serve, sock=private_socket(self._path), limit=LONGEST_LINE)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer)
        try:
            while line := await reader.readline():
                self._begin(connection, line)
        except (OSError, ValueError, asyncio.CancelledError):
            pass
        finally:
            for closed in connection.closed:
                closed()
            writer.close()

    def _begin(self, connection: Connection, line: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(connection, line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, connection: Connection, line: bytes) -> None:
        try:
            request = json.loads(line)
            operation = self._ops.get(str(request.get("op")))
        except (ValueError, AttributeError):
            connection.send({"id": None, "ok": False, "error": "a request is a JSON object with an id and an op"})
            return
        number = request.get("id")
        if operation is None:
            connection.send({"id": number, "ok": False, "error": f"there is no op {request.get('op')!r}"})
            return
        try:
            connection.send({"id": number, "ok": True, **await operation(connection, request)})
        except Refused as refusal:
            connection.send({"id": number, "ok": False, "error": str(refusal)})
        except (KeyError, TypeError) as error:
            connection.send({"id": number, "ok": False, "error": f"the request lacks or misspells something: {error!r}"})
