"""The beginning of a TLS 1.3 handshake, byte by byte: which key exchange a server chooses, and which a client offers.

Python's own TLS knows nothing of post-quantum groups yet; to see what is chosen no key is needed.
https://www.rfc-editor.org/rfc/rfc8446#section-4.1
"""

import os
import socket
import struct
from collections.abc import Iterable, Iterator

X25519MLKEM768, X25519, P256 = 0x11EC, 0x001D, 0x0017
_GROUPS, _SIGNATURES, _ALPN, _VERSIONS, _SHARES = 10, 13, 16, 43, 51


def chosen(at: tuple[str, int], groups: Iterable[int], alpn: bytes = b"istio") -> int | None:
    """The group that the server at `at` asks for, of a client that offers `groups` and has no key yet; None: it refuses."""
    with socket.create_connection(at, timeout=5) as connection:
        connection.sendall(_hello(tuple(groups), alpn))
        record = _record(connection)
    if not record or record[0] != 2:  # a ServerHello: here one that asks for another try
        return None
    return next((struct.unpack(">H", body[:2])[0] for kind, body in _extensions(record[4:]) if kind == _SHARES), None)


def offered(connection: socket.socket) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The groups that a client offers, and those that it sends a key of."""
    found = dict(_extensions(_record(connection)[4:], client=True))
    groups = struct.unpack(f">{(len(found[_GROUPS]) - 2) // 2}H", found[_GROUPS][2:])
    shares, keys = found[_SHARES][2:], []
    while shares:
        group, size = struct.unpack(">HH", shares[:4])
        keys.append(group)
        shares = shares[4 + size :]
    return groups, tuple(keys)


def _hello(groups: tuple[int, ...], alpn: bytes) -> bytes:
    listed = struct.pack(f">H{len(groups)}H", 2 * len(groups), *groups)
    extensions = b"".join(
        struct.pack(">HH", kind, len(body)) + body
        for kind, body in (
            (_VERSIONS, b"\x02\x03\x04"),
            (_GROUPS, listed),
            (_SIGNATURES, b"\x00\x06\x04\x03\x08\x04\x04\x01"),
            (_SHARES, b"\x00\x00"),
            (_ALPN, struct.pack(">HB", len(alpn) + 1, len(alpn)) + alpn),
        )
    )
    body = b"\x03\x03" + os.urandom(32) + b"\x20" + os.urandom(32) + b"\x00\x06\x13\x01\x13\x02\x13\x03" + b"\x01\x00"
    body += struct.pack(">H", len(extensions)) + extensions
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


def _record(connection: socket.socket) -> bytes:
    """The first handshake message; nothing when an alert or the end comes instead."""
    header = _exactly(connection, 5)
    if len(header) < 5 or header[0] != 22:
        return b""
    return _exactly(connection, struct.unpack(">H", header[3:])[0])


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        try:
            part = connection.recv(size - len(found))
        except OSError:
            part = b""
        if not part:
            return found
        found += part
    return found


def _extensions(body: bytes, *, client: bool = False) -> Iterator[tuple[int, bytes]]:
    """Of a hello, without its header."""
    at = 34 + 1 + body[34]
    if client:
        at += 2 + struct.unpack(">H", body[at : at + 2])[0]
        at += 1 + body[at]
    else:
        at += 3
    at += 2
    while at < len(body):
        kind, size = struct.unpack(">HH", body[at : at + 4])
        yield kind, body[at + 4 : at + 4 + size]
        at += 4 + size
