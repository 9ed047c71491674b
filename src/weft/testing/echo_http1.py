"""The echo server's HTTP/1.1: keep-alive, pipelining, chunked bodies, 100-continue, and WebSocket by upgrade.

Written for load: one pass over the bytes, one write an answer. https://www.rfc-editor.org/rfc/rfc9112
"""

import asyncio
from collections import deque
from http import HTTPStatus

from weft.testing.echo_websocket import WebSocket, accept_key
from weft.testing.speaker import Speaker

_LONGEST_HEAD = 64 * 1024
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class _Request:
    """A request whose body is still being counted. `left` None: chunked."""

    __slots__ = ("body", "close", "headers", "left", "method", "target", "version")

    def __init__(self, head: bytes) -> None:
        line, *fields = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = line.split(" ")
        self.headers: dict[str, str] = {}
        for field in fields:
            name, colon, value = field.partition(":")
            if not colon or name != name.strip():
                raise ValueError(field)
            name, value = name.lower(), value.strip()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        connection = self.headers.get("connection", "").lower()
        self.close = "close" in connection or (self.version == "HTTP/1.0" and "keep-alive" not in connection)
        self.body = 0
        self.left: int | None = int(self.headers.get("content-length", "0"))
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            self.left = None


class Http1(asyncio.Protocol):
    """One connection. Answers go out in the order of the requests, also when some are delayed."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._buffer = bytearray()
        self._request: _Request | None = None
        self._delayed: deque[tuple[_Request, float]] = deque()
        self._sleeping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers every request that is whole."""
        self._buffer += data
        try:
            while self._buffer and not self._transport.is_closing() and self._step():
                pass
        except ValueError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._transport.close()

    def _step(self) -> bool:
        """Goes as far as one head or one piece of a body; False: more bytes are needed."""
        if self._request is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > _LONGEST_HEAD:
                    raise ValueError("the head is too long")
                return False
            self._request = _Request(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            if self._request.headers.get("expect", "").lower() == "100-continue":
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if self._request.headers.get("upgrade", "").lower() == "websocket":
                self._upgrade(self._request)
                return False
        return self._body(self._request)

    def _body(self, request: _Request) -> bool:
        if request.left is None:
            return self._chunk(request)
        taken = min(request.left, len(self._buffer))
        del self._buffer[:taken]
        request.body += taken
        request.left -= taken
        if request.left:
            return False
        self._finish(request)
        return True

    def _chunk(self, request: _Request) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        size = int(bytes(self._buffer[:end]).split(b";")[0], 16)
        if size == 0:
            last = self._buffer.find(b"\r\n\r\n", end)  # with or without trailers
            if last < 0:
                return False
            del self._buffer[: last + 4]
            self._finish(request)
            return True
        if len(self._buffer) < end + 2 + size + 2:
            return False
        del self._buffer[: end + 2 + size + 2]
        request.body += size
        return True

    def _finish(self, request: _Request) -> None:
        self._request = None
        status, delay = self._speaker.outcome(request.target)
        if delay or self._delayed:
            self._delayed.append((request, delay))
            self._next_delayed()
        else:
            self._answer(request, status)

    def _next_delayed(self) -> None:
        if self._delayed and not self._sleeping:
            self._sleeping = True
            asyncio.get_running_loop().call_later(self._delayed[0][1], self._wake)

    def _wake(self) -> None:
        self._sleeping = False
        request, _ = self._delayed.popleft()
        if not self._transport.is_closing():
            self._answer(request, self._speaker.outcome(request.target)[0])
            self._next_delayed()

    def _answer(self, request: _Request, status: int) -> None:
        body = self._speaker.answer(request.method, request.target, request.headers, request.body, request.version)
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"{'connection: close' + chr(13) + chr(10) if request.close else ''}\r\n"
        ).encode()
        bodiless = request.method == "HEAD" or status in (204, 304)
        self._transport.write(head if bodiless else head + body)
        if request.close:
            self._transport.close()

    def _upgrade(self, request: _Request) -> None:
        key = accept_key(request.headers.get("sec-websocket-key", ""))
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            + f"sec-websocket-accept: {key}\r\n\r\n".encode()
        )
        socket = WebSocket(self._speaker.answer(request.method, request.target, request.headers, 0, "websocket"))
        self._transport.set_protocol(socket)
        socket.connection_made(self._transport)
        if self._buffer:
            socket.data_received(bytes(self._buffer))
