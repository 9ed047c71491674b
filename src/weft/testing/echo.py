"""The echo server: says what it was asked, as JSON, in HTTP/1.1, HTTP/2 with prior knowledge, WebSocket and TCP, all on one port.

The protocol is told by a connection's first bytes. A line that is not a request line makes it TCP: each line is then
answered with one line of JSON. Paths `/status/503` and `/delay/0.5` answer so.
"""

import asyncio
import signal

from weft.testing.echo_http1 import Http1
from weft.testing.echo_http2 import PREFACE, Http2
from weft.testing.echo_tcp import Lines
from weft.testing.speaker import Speaker

_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT ")


class Echo(asyncio.Protocol):
    """One connection, before its protocol is known."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._first = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport for the protocol that will be chosen."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collects bytes until they tell the protocol, and hands the connection over to it."""
        self._first += data
        chosen = self._protocol(bytes(self._first[:24]))
        if chosen is not None:
            self._transport.set_protocol(chosen)
            chosen.connection_made(self._transport)
            chosen.data_received(bytes(self._first))

    def _protocol(self, first: bytes) -> asyncio.Protocol | None:
        if first.startswith(PREFACE[:24]):
            return Http2(self._speaker)
        if any(first.startswith(method) for method in _METHODS):
            return Http1(self._speaker)
        if PREFACE.startswith(first) or any(method.startswith(first) for method in _METHODS):
            return None
        return Lines(self._speaker)


async def run(speaker: Speaker, host: str, ports: tuple[int, ...]) -> None:
    """Serves until SIGTERM or SIGINT, then lets answers under way finish for up to five seconds."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    servers = [await loop.create_server(lambda: Echo(speaker), host, port, backlog=1024) for port in ports]
    places = ", ".join(f"{host}:{port}" for port in ports)
    print(" ".join(word for word in (speaker.service, speaker.version, "answers on", places) if word), flush=True)
    await stop.wait()
    for server in servers:
        server.close()
    await _quiet(max(0.0, min(speaker.delay, 5.0)))


async def _quiet(delay: float) -> None:
    await asyncio.sleep(delay + 0.05)
