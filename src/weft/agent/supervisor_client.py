"""The agent's line to the supervisor: JSON lines over its control socket. Requests have an id, events have none.

The supervisor is the parent of everything; the agent asks it to start and stop Envoys and tells it how instances fare.
When the line breaks it is opened again, and the list of instances comes anew with it.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from weft.agent.instance import Instance

LOG = logging.getLogger(__name__)
_LONGEST_LINE = 16 * 1024 * 1024


class SupervisorError(Exception):
    """The supervisor refused a request, or the line to it broke before the answer."""


class Workloads(msgspec.Struct, frozen=True):
    """An event: all instances the node is to have now."""

    workloads: tuple[Instance, ...]


class Exited(msgspec.Struct, frozen=True):
    """An event: a process ended. `name` is the supervisor's name for it; `code` is negative for a signal."""

    name: str
    code: int


class Process(msgspec.Struct, frozen=True):
    """A process that runs under the supervisor. `started` is a wall-clock time."""

    name: str
    pid: int
    started: float = 0.0


class SupervisorClient:
    """The connection. `events` yields Workloads (at once after each connection) and Exited."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._last = 0
        self._connected = asyncio.Event()
        self.events: asyncio.Queue[Workloads | Exited] = asyncio.Queue()

    async def run(self) -> None:
        """Keeps the line open until cancelled."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path), limit=_LONGEST_LINE)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            reading = asyncio.create_task(self._read(reader))
            try:
                self._writer = writer
                await self._request({"op": "agent"})
                self._connected.set()
                await reading
            except (OSError, SupervisorError) as error:
                LOG.warning("supervisor lost reason=%r", str(error))
            finally:
                reading.cancel()
                self._lost(writer)
            await asyncio.sleep(0.1)

    def _lost(self, writer: asyncio.StreamWriter) -> None:
        self._connected.clear()
        self._writer = None
        writer.close()
        self._give_up()

    def _give_up(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(SupervisorError("the line to the supervisor broke"))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._take(msgspec.json.decode(line))
        finally:
            self._give_up()
        raise SupervisorError("the supervisor closed the line")

    def _take(self, message: dict[str, Any]) -> None:
        if "workloads" in message:  # an event, or the answer to `agent`: kept in the order in which they were said
            self.events.put_nowait(msgspec.convert(message, Workloads))
        elif message.get("event") == "exited":
            self.events.put_nowait(msgspec.convert(message, Exited))
        future = self._waiting.pop(message.get("id", 0), None)
        if future and not future.done():
            future.set_result(message)

    async def _request(self, message: dict[str, Any]) -> Mapping[str, Any]:
        if self._writer is None:
            raise SupervisorError("the supervisor is away")
        self._last += 1
        future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._last] = future
        self._writer.write(msgspec.json.encode({"id": self._last, **message}) + b"\n")
        answer = await future
        if not answer.get("ok"):
            raise SupervisorError(str(answer.get("error", "refused")))
        return answer

    async def call(self, op: str, **arguments: object) -> Mapping[str, Any]:
        """The answer to a request; waits for the supervisor while it is away. Raises SupervisorError when it refuses."""
        await self._connected.wait()
        return await self._request({"op": op, **arguments})

    async def tell(self, op: str, **arguments: object) -> None:
        """As `call`, for what the agent can do nothing about when it is refused: the refusal is logged."""
        try:
            await self.call(op, **arguments)
        except SupervisorError as error:
            LOG.warning("supervisor refused op=%s reason=%r", op, str(error))

    async def spawn(self, name: str, argv: list[str], *, env: Mapping[str, str], cwd: str, log: str) -> int:
        """Starts a process under the supervisor; its pid. Idempotent while one of that name is alive."""
        answer = await self.call("spawn", name=name, argv=argv, env=dict(env), cwd=cwd, log=log)
        return int(answer["pid"])

    async def kill(self, name: str, grace: float) -> None:
        """Ends a process: TERM, and KILL when it has not ended after `grace` seconds."""
        await self.tell("kill", name=name, signal="TERM", grace=grace)

    async def processes(self) -> tuple[Process, ...]:
        """What runs."""
        answer = await self.call("processes")
        return msgspec.convert(answer.get("processes", []), tuple[Process, ...])
