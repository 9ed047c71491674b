"""The echo server's TCP side: one line of JSON for each line received."""

import asyncio

import msgspec

from weft.testing.speaker import Speaker

_LONGEST = 64 * 1024


class Lines(asyncio.Protocol):
    """A connection whose every line is answered. A line over 64 KiB is answered in pieces."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers every whole line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._answer(line)

    def eof_received(self) -> bool:
        """Answers a last line that has no end, and closes."""
        if self._rest:
            self._answer(self._rest)
        return False

    def _answer(self, line: bytes) -> None:
        text = line.rstrip(b"\r").decode("utf-8", "replace")
        self._transport.write(msgspec.json.encode(self._speaker.words() | {"protocol": "TCP", "received": text}) + b"\n")
