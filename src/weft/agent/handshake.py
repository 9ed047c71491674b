"""A look at what an Envoy serves: a TLS handshake with it, whose chain is taken as it comes and judged by nobody here.

With a client certificate it also tells whether the Envoy lets it in, and so which root it trusts. What is asked is the wire,
never the Envoy's admin interface nor what was sent to it. https://docs.python.org/3/library/ssl.html
"""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TIMEOUT = 3.0
_WORD = b"weft\n"  # said back by who let us in
_ALPN = "istio"  # what the mesh's own filter chain of a port is chosen by

Place = Path | tuple[str, int]
"""A Unix socket, or host and port."""


class NotShown(Exception):
    """No chain came, and why."""


async def chain(place: Place) -> tuple[bytes, ...]:
    """The DER certificates that are served at `place`, leaf first. Raises NotShown."""
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await _connected(place, _context())
    except (OSError, ssl.SSLError) as error:
        raise NotShown(str(error) or type(error).__name__) from error
    found = _chain(writer.get_extra_info("ssl_object"))
    writer.transport.abort()
    if not found:
        raise NotShown("no certificate was shown")
    return found


async def lets_in(socket: Path, client: Path) -> bool:
    """Whether the Envoy at `socket` accepts the client certificate in the file `client` (key and chain). Raises NotShown when it
    cannot be told."""
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await _connected(socket, _context(client))
            try:
                writer.write(_WORD)
                return await reader.read(len(_WORD)) == _WORD
            finally:
                writer.transport.abort()
    except (ssl.SSLError, BrokenPipeError, ConnectionResetError):
        return False  # turned away: in TLS 1.3 after the handshake, by an alert, of which at times only the hanging up is seen
    except OSError as error:
        raise NotShown(str(error) or type(error).__name__) from error


async def _connected(place: Place, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(place, Path):
        return await asyncio.open_unix_connection(str(place), ssl=context, server_hostname="")
    return await asyncio.open_connection(*place, ssl=context)


def _context(client: Path | None = None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols([_ALPN])
    if client:
        made.load_cert_chain(client)
    return made


def _chain(connection: Any) -> tuple[bytes, ...]:
    """Public since Python 3.13; before it, the same of the object inside."""
    shown: Any = getattr(connection, "get_unverified_chain", None) or connection._sslobj.get_unverified_chain
    certificates: Sequence[Any] = shown() or ()
    return tuple(each if isinstance(each, bytes) else each.public_bytes(_DER) for each in certificates)


_DER = 2  # _ssl.ENCODING_DER
