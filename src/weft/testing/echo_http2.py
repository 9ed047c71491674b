"""The echo server's HTTP/2 with prior knowledge. A gRPC call gets its own message back; `Health/Check` says SERVING.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import asyncio
from collections.abc import Iterable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import ProtocolError

from weft.testing.speaker import Speaker

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SERVING = b"\x00\x00\x00\x00\x02\x08\x01"


class _Stream:
    """One request being received."""

    __slots__ = ("body", "body_length", "headers")

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.body = bytearray()
        self.body_length = 0

    @property
    def grpc(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/grpc")


class Http2(asyncio.Protocol):
    """One connection with its streams. Only what the peer's window admits is sent; the rest waits."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._streams: dict[int, _Stream] = {}
        self._waiting: dict[int, tuple[bytes, bool]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends our settings."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connection.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Takes what came and answers the requests that are whole."""
        try:
            for event in self._connection.receive_data(data):
                self._take(event)
        except ProtocolError:
            self._flush()
            self._transport.close()
            return
        self._flush()

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream), headers=headers):
                self._streams[stream] = _Stream(_joined((str(name), str(value)) for name, value in headers or ()))
            case DataReceived(stream_id=int(stream), data=data, flow_controlled_length=length):
                self._connection.acknowledge_received_data(length or 0, stream)
                self._received(stream, data or b"")
            case StreamEnded(stream_id=int(stream)) if stream in self._streams:
                self._finish(stream)
            case StreamReset(stream_id=int(stream)):
                self._streams.pop(stream, None)
                self._waiting.pop(stream, None)
            case WindowUpdated():
                for stream in tuple(self._waiting):
                    self._send(stream)

    def _received(self, stream: int, data: bytes) -> None:
        request = self._streams.get(stream)
        if request is None:
            return
        request.body_length += len(data)
        if request.grpc:
            request.body += data

    def _finish(self, stream: int) -> None:
        _, delay = self._speaker.outcome(self._streams[stream].headers.get(":path", "/"))
        if delay:
            asyncio.get_running_loop().call_later(delay, self._answer_late, stream)
        else:
            self._answer(stream)

    def _answer_late(self, stream: int) -> None:
        if stream in self._streams and not self._transport.is_closing():
            self._answer(stream)
            self._flush()

    def _answer(self, stream: int) -> None:
        request = self._streams.pop(stream)
        path = request.headers.get(":path", "/")
        if request.grpc:
            body = _SERVING if path == "/grpc.health.v1.Health/Check" else bytes(request.body)
            self._connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
            self._waiting[stream] = (body, True)
        else:
            method = request.headers.get(":method", "")
            body = self._speaker.answer(method, path, request.headers, request.body_length, "HTTP/2")
            head = [
                (":status", str(self._speaker.outcome(path)[0])),
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
            ]
            self._connection.send_headers(stream, head, end_stream=method == "HEAD")
            if method == "HEAD":
                return
            self._waiting[stream] = (body, False)
        self._send(stream)

    def _send(self, stream: int) -> None:
        body, trailers = self._waiting.pop(stream)
        while body:
            room = min(self._connection.local_flow_control_window(stream), self._connection.max_outbound_frame_size)
            if room <= 0:
                self._waiting[stream] = (body, trailers)
                return
            piece, body = body[:room], body[room:]
            self._connection.send_data(stream, piece, end_stream=not body and not trailers)
        if trailers:
            self._connection.send_headers(stream, [("grpc-status", "0")], end_stream=True)

    def _flush(self) -> None:
        data = self._connection.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in pairs:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
