"""As much HTTP/1.1 as an agent needs: GET from Envoy's admin interface, and a server for two small pages of its own.

h11 reads and writes the protocol; here is only the I/O (https://h11.readthedocs.io/en/latest/). One request a connection.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import h11

_CHUNK = 65536
_REQUEST_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    body: bytes
    content_type: str = "application/json"


Page = Callable[[str], Awaitable[Answer]]
"""Answers a GET of a path with its query."""


Headers = tuple[tuple[str, str], ...]


async def get(
    socket: Path | tuple[str, int],
    path: str,
    *,
    method: str = "GET",
    timeout: float = 5.0,
    headers: Headers = (),
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """The answer to a request over a Unix socket or to an address. Raises OSError (TimeoutError among them)."""
    async with asyncio.timeout(timeout):
        if isinstance(socket, Path):
            reader, writer = await asyncio.open_unix_connection(str(socket))
        else:
            reader, writer = await asyncio.open_connection(*socket, ssl=tls)
        try:
            return await _exchange(reader, writer, method, path, headers)
        except h11.LocalProtocolError as error:
            raise ConnectionError(f"not an HTTP request: {error}") from error
        except h11.RemoteProtocolError as error:
            raise ConnectionError(f"not an HTTP answer: {error}") from error
        finally:
            writer.close()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str, more: Headers) -> Answer:
    connection = h11.Connection(h11.CLIENT)
    said = {name.lower() for name, _ in more}
    usual = [("host", "localhost"), ("connection", "close"), ("content-length", "0")]
    headers = [*(one for one in usual if one[0] not in said), *more]
    writer.write(connection.send(h11.Request(method=method, target=path, headers=headers)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    status, content_type, body = 0, "", bytearray()
    while True:
        event = connection.next_event()
        match event:
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK))
            case h11.Response():
                status = event.status_code
                content_type = dict(event.headers).get(b"content-type", b"").decode("latin-1")
            case h11.Data():
                body += event.data
            case h11.EndOfMessage():
                return Answer(status, bytes(body), content_type)
            case h11.ConnectionClosed():
                raise ConnectionError("the connection was closed before an answer")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, page: Page) -> None:
    """Answers one request on a connection, and closes it. A slow or broken peer is dropped."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=16384)
    try:
        async with asyncio.timeout(_REQUEST_TIMEOUT):
            request = await _request(reader, connection)
        if request is None:
            return
        answer = await _answer(request, page)
        headers = [
            ("content-type", answer.content_type),
            ("content-length", str(len(answer.body))),
            ("connection", "close"),
        ]
        writer.write(connection.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
        if request.method != b"HEAD":
            writer.write(connection.send(h11.Data(data=answer.body)) or b"")
        await writer.drain()
    except (OSError, h11.ProtocolError):
        return
    finally:
        writer.close()


async def _request(reader: asyncio.StreamReader, connection: h11.Connection) -> h11.Request | None:
    while True:
        event = connection.next_event()
        match event:
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK))
            case h11.Request():
                return event
            case _:
                return None


async def _answer(request: h11.Request, page: Page) -> Answer:
    if request.method not in (b"GET", b"HEAD"):
        return Answer(405, b"only GET is answered here\n", "text/plain")
    return await page(request.target.decode("latin-1"))
