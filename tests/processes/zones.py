"""Cheap endpoints by the dozen, and callers that ask at a given rate: one event loop in a thread serves and calls for all zones.

with Endpoints(30) as endpoints, Calls(endpoints) as calls:
    calls.rate["a"] = 300
    before = endpoints.counted()
"""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_IDLE = 0.02  # seconds between two looks at a rate


class _Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine in the loop."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(20)

    def stop(self) -> None:
        """Ends the loop."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class _Served(asyncio.Protocol):
    """One connection to an endpoint. Requests have no body; each ends with an empty line."""

    def __init__(self, of: "Endpoints", port: int) -> None:
        self._of, self._port, self._rest = of, port, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._of.open[self._port].add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._of.open[self._port].discard(self._transport)

    def data_received(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for head in whole:
            self._of.requests[(self._port, head.partition(b"x-zone: ")[2][:1].decode())] += 1
        assert isinstance(self._transport, asyncio.Transport)
        if whole and self._of.holding == self._port and not self._of.held:
            self._of.held.append(self._transport)
            whole.pop()
        self._transport.write(_ANSWER * len(whole))


class Endpoints(_Loop):
    """HTTP servers on free ports of 127.0.0.1, which count what they are asked by callers of each zone (`x-zone`, one letter)."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self._servers: dict[int, asyncio.Server] = {}
        self.open: dict[int, set[asyncio.BaseTransport]] = {}
        self.requests: Counter[tuple[int, str]] = Counter()
        self.holding = 0  # the port whose next request is not answered
        self.held: list[asyncio.Transport] = []  # who waits for that answer

    @property
    def ports(self) -> list[int]:
        """Where they listen, those that are gone included."""
        return list(self.open)

    def counted(self) -> Counter[int]:
        """The requests of each so far."""
        found: Counter[int] = Counter()
        for (port, _), number in self.requests.items():
            found[port] += number
        return found

    def __enter__(self) -> Self:
        super().__enter__()
        self.run(self._serve())
        return self

    async def _serve(self) -> None:
        for _ in range(self._number):
            listening = socket.create_server(("127.0.0.1", 0))
            port = listening.getsockname()[1]
            self.open[port] = set()
            self._servers[port] = await self.loop.create_server(partial(_Served, self, port), sock=listening)

    def answer_held(self) -> None:
        """Answers the request that was held."""
        self.holding = 0
        self.loop.call_soon_threadsafe(self.held.pop().write, _ANSWER)

    def vanish(self, ports: list[int]) -> None:
        """These are gone at once: nobody listens there, and connections are cut."""
        self.run(self._vanish(ports))

    async def _vanish(self, ports: list[int]) -> None:
        for port in ports:
            self._servers.pop(port).close()
            for transport in tuple(self.open[port]):
                assert isinstance(transport, asyncio.Transport)
                transport.abort()

    def __exit__(self, *_: object) -> None:
        self.run(self._vanish(list(self._servers)))
        self.stop()


@dataclass
class Calls(_Loop):
    """Steady calls of `host` through the sidecars `proxies` (by zone), `rate` of each a second on `connections` of each."""

    proxies: Mapping[str, str]
    host: str
    connections: int = 4
    rate: dict[str, float] = field(default_factory=dict)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    longest: float = 0.0
    _over: bool = False

    def __post_init__(self) -> None:
        _Loop.__init__(self)

    def __enter__(self) -> Self:
        super().__enter__()
        started = [self._caller(zone, n) for zone in self.proxies for n in range(self.connections)]
        self._tasks = [asyncio.run_coroutine_threadsafe(one, self.loop) for one in started]
        return self

    def failed(self) -> dict[tuple[str, int], int]:
        """Answers other than 200, and 0 for none, by zone."""
        return {key: number for key, number in self.answers.items() if key[1] != 200}

    async def _caller(self, zone: str, n: int) -> None:
        host, _, port = self.proxies[zone].rpartition(":")
        request = f"GET http://{self.host}/ HTTP/1.1\r\nHost: {self.host}\r\nx-zone: {zone}\r\n\r\n".encode()
        due = time.monotonic() + n * _IDLE / self.connections
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._over:
            rate = self.rate.get(zone, 0.0) / self.connections
            due = max(due, time.monotonic() - 1.0) + (1 / rate if rate else _IDLE)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not rate:
                continue
            began = time.monotonic()
            try:
                streams = streams or await asyncio.open_connection(host, int(port))
                status = await _exchange(*streams, request)
            except (OSError, asyncio.IncompleteReadError):
                status, streams = 0, None
            self.answers[(zone, status)] += 1
            self.longest = max(self.longest, time.monotonic() - began)
        if streams:
            streams[1].close()

    def __exit__(self, *_: object) -> None:
        self._over = True
        for task in self._tasks:
            with suppress(Exception):
                task.result(20)
        self.stop()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = head.partition("content-length:")[2].partition("\r\n")[0]
    await reader.readexactly(int(length or 0))
    return int(head.split(" ", 2)[1])
