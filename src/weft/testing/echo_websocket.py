"""The echo server's WebSocket: its first message is the JSON of the handshake, then every message comes back.

https://www.rfc-editor.org/rfc/rfc6455#section-5.2
"""

import asyncio
from base64 import b64encode
from hashlib import sha1

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


def accept_key(key: str) -> str:
    """What proves that the handshake with `key` was understood."""
    return b64encode(sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()


def frame(opcode: int, payload: bytes, final: bool = True) -> bytes:
    """A frame as a server sends it: unmasked."""
    first = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        return first + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return first + b"\x7e" + len(payload).to_bytes(2, "big") + payload
    return first + b"\x7f" + len(payload).to_bytes(8, "big") + payload


class WebSocket(asyncio.Protocol):
    """An upgraded connection."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(frame(_TEXT, self._greeting))

    def data_received(self, data: bytes) -> None:
        """Sends every whole frame back."""
        self._buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        length, start = buffer[1] & 0x7F, 2
        if length >= 126:
            wide = 2 if length == 126 else 8
            if len(buffer) < 2 + wide:
                return False
            length, start = int.from_bytes(buffer[2 : 2 + wide], "big"), 2 + wide
        masked = bool(buffer[1] & 0x80)
        mask = bytes(buffer[start : start + 4]) if masked else b"\0\0\0\0"
        start += 4 if masked else 0
        if len(buffer) < start + length:
            return False
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(buffer[start : start + length]))
        opcode, final = buffer[0] & 0x0F, bool(buffer[0] & 0x80)
        del buffer[: start + length]
        self._answer(opcode, payload, final)
        return opcode != _CLOSE

    def _answer(self, opcode: int, payload: bytes, final: bool) -> None:
        if opcode == _PONG:
            return
        self._transport.write(frame(_PONG if opcode == _PING else opcode, payload, final))
        if opcode == _CLOSE:
            self._transport.close()
