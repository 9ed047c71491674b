"""What an application speaks on a port whose declaration does not say it: asked once, when it first takes connections.

The question must not harm. So at first nothing is sent: a server that greets is answered for. One that waits is sent the preface
of HTTP/2, which was made so that a server of HTTP/1 refuses it before it comes to any handler
(https://www.rfc-editor.org/rfc/rfc9113#section-3.4), and which other servers take for a mistake. Only who has shown to speak HTTP
is asked more. Ports that are commonly something else are not asked at all, and neither is one whose protocol is declared.
"""

import asyncio
import ssl
from contextlib import suppress

from weft.agent.instance import Address

SILENCE = 0.3
"""Seconds in which a server that speaks first does."""

_ANSWER = 1.0
_ENOUGH = 9  # bytes that tell an answer: «HTTP/1.1», or the head of a frame
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))  # with empty SETTINGS
_OPTIONS = b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nUser-Agent: weft\r\nConnection: close\r\n\r\n"
_SETTINGS = 4
_TLS = (b"\x15\x03", b"\x16\x03")  # alert, handshake

NOT_ASKED = frozenset(
    (21, 22, 23, 25, 53, 110, 143, 389, 465, 587, 636, 993, 995, 1433, 1521, 1883, 2181, 3306, 4222, 5432, 5672, 6379, 9042)
    + (9092, 9100, 11211, 27017)
)
"""Numbers of services that are TCP unless they are declared otherwise: mail, DNS, SSH, LDAP, databases, queues, printers."""


async def spoken_protocol(address: Address) -> str:
    """`http`, `http2`, `tls`, or `tcp` for everything else. Who speaks both kinds of HTTP is `http`: few take WebSockets over the
    second. Some servers of HTTP/1 refuse the preface with the bare page of an error, in HTML. Raises OSError when there is no
    connection."""
    first, answer = await _exchange(address, _PREFACE, listen=SILENCE)
    if first:
        return "http2" if _is_settings(first) else "tcp"
    if _is_settings(answer) or answer.lstrip().startswith(b"<"):
        _, other = await _exchange(address, _OPTIONS)
        return "http" if _is_http1(other) else "http2" if _is_settings(answer) else "tcp"
    if _is_http1(answer):
        return "tls" if b" 400" in answer and await _speaks_tls(address) else "http"
    return "tls" if answer.startswith(_TLS) else "tcp"


async def _speaks_tls(address: Address) -> bool:
    """Some servers of HTTPS answer what is not TLS with a 400 in the clear."""
    _, answer = await _exchange(address, _client_hello())
    return answer.startswith(_TLS)


async def _exchange(address: Address, request: bytes, listen: float = 0.0) -> tuple[bytes, bytes]:
    """What the server says before it is asked (waited for `listen` seconds; then it is not asked any more), and its answer."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        if listen and ((first := await _said(reader, listen)) or reader.at_eof()):
            return first or b"\0", b""
        with suppress(OSError):
            writer.write(request)
            return b"", await _said(reader, _ANSWER)
        return b"", b""
    finally:
        writer.close()


async def _said(reader: asyncio.StreamReader, limit: float) -> bytes:
    said = b""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(limit):
            while len(said) < _ENOUGH + 4 and (piece := await reader.read(256)):
                said += piece
    return said


def _is_settings(said: bytes) -> bool:
    """Whether it begins with a SETTINGS frame of stream 0: three bytes of length, type, flags, stream."""
    return len(said) >= _ENOUGH and said[3] == _SETTINGS and said[5:9] == bytes(4) and int.from_bytes(said[:3]) % 6 == 0


def _is_http1(said: bytes) -> bool:
    return said.startswith(b"HTTP/1.")


def _client_hello() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()
