"""The API on a real socket: who gets in, and who is refused."""

import asyncio
import json
import logging
import ssl
import stat
import warnings
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from weft.ca.api_authority import ApiIdentity, api_identity
from weft.controlplane.api import kubeconfig
from weft.controlplane.api.serve import ApiServer, Limits, Tls

LIMITS = Limits(handshake=0.3, head=0.3, body=0.3, drain=0.3, head_size=4096)


@pytest.fixture
def identity(tmp_path: Path) -> ApiIdentity:
    """Certificates of one authority."""
    return api_identity(tmp_path / "ca", datetime.now(UTC))


class Served:
    """A server that runs."""

    def __init__(self, address: tuple[str, int], identity: ApiIdentity, stop: Any) -> None:
        self.address = address
        self.identity = identity
        self.stop = stop

    async def connect(self, **changes: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TLS connection with the administrator's certificate."""
        return await asyncio.open_connection(*self.address, ssl=client_context(self.identity, **changes))

    async def ask(self, head: str, body: bytes = b"") -> bytes:
        """One request on a connection of its own, and everything that is answered."""
        reader, writer = await self.connect()
        writer.write(head.encode() + body)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer


def client_context(identity: ApiIdentity, *, certificate: Path | None = None, without: bool = False) -> ssl.SSLContext:
    """The client's side; `certificate` instead of the administrator's, or none."""
    context = ssl.create_default_context(cadata=identity.authority.decode())
    if not without:
        context.load_cert_chain(certificate or identity.admin.path)
    return context


@pytest.fixture
async def served(identity: ApiIdentity) -> AsyncIterator[Served]:
    """An application that says who asks, echoes bodies, and streams until it is stopped."""
    stopping = asyncio.Event()

    async def who(request: Request) -> Response:
        return JSONResponse({"peer": request.state.peer.name, "length": len(await request.body())})

    async def stream(_: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            yield b"begun\n"
            await stopping.wait()
            yield b"ended\n"

        return StreamingResponse(lines())

    app = Starlette(routes=[Route("/", who, methods=["GET", "POST"]), Route("/stream", stream)])
    server = ApiServer(app, "127.0.0.1", 0, _tls(identity), limits=LIMITS, stopping=stopping)
    address = server.listen()
    running = asyncio.create_task(server.run())

    async def stop() -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    yield Served(address, identity, stop)
    await stop()


def _tls(identity: ApiIdentity) -> Tls:
    return Tls(identity.server.path, identity.server.path, identity.authority_path)


GET = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def test_the_peer_is_known(served: Served) -> None:
    """The application learns the common name of the client's certificate."""
    answer = await served.ask(GET)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["peer"] == "weft-admin"
    assert b"server:" not in answer.partition(b"\r\n\r\n")[0].lower()


@pytest.mark.parametrize("wrong", ["none", "another authority's"])
async def test_a_stranger_is_refused_and_logged_once(
    served: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:  # fmt: skip
    """Without a certificate of the authority there is no request, and one line in the log."""
    other = api_identity(tmp_path / "other", datetime.now(UTC)).admin.path
    with caplog.at_level(logging.WARNING, "weft.api"), pytest.raises((ssl.SSLError, ConnectionError)):
        reader, writer = await served.connect(without=wrong == "none", certificate=other)
        writer.write(GET.encode())
        answer = await reader.read()
        raise ConnectionError(answer)
    await asyncio.sleep(0.05)
    assert len([record for record in caplog.records if "event=refused" in record.message]) == 1
    assert await served.ask(GET)


async def test_old_tls_is_refused(served: Served) -> None:
    """TLS 1.1 finds nobody."""
    context = client_context(served.identity)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(*served.address, ssl=context)


async def test_a_silent_peer_is_cut_off(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Who connects and does not begin TLS is gone after the handshake's deadline."""
    reader, _ = await asyncio.open_connection(*served.address)
    with caplog.at_level(logging.WARNING, "weft.api"):
        assert await asyncio.wait_for(reader.read(), 3) == b""
        await asyncio.sleep(0.05)
    assert "event=refused" in caplog.text


@pytest.mark.parametrize("what", ["head", "body"])
async def test_a_slow_peer_is_cut_off(served: Served, caplog: pytest.LogCaptureFixture, what: str) -> None:
    """A head or a body that trickles in does not extend its deadline; others are served meanwhile."""
    reader, writer = await served.connect()
    if what == "body":
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")

    async def trickle() -> None:
        for letter in "GET / HTTP/1.1\r\n" + "x: y\r\n" * 100:
            writer.write(letter.encode())
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    begun = asyncio.get_running_loop().time()
    with caplog.at_level(logging.WARNING, "weft.api"):
        assert await served.ask(GET)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 3)
    assert asyncio.get_running_loop().time() - begun < 2
    assert f"the {what} of a request did not arrive in time" in caplog.text
    trickling.cancel()
    await asyncio.gather(trickling, return_exceptions=True)


async def test_a_connection_is_kept_for_further_requests(served: Served) -> None:
    """The deadline for a head does not run between requests."""
    reader, writer = await served.connect()
    for _ in range(2):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc")
        assert b'"length":3' in await asyncio.wait_for(reader.readuntil(b"}"), 5)
        await asyncio.sleep(LIMITS.head + 0.1)
    writer.close()


async def test_a_large_head_is_refused(served: Served) -> None:
    """A head beyond its limit is a bad request."""
    answer = await served.ask("GET / HTTP/1.1\r\nhost: x\r\nx: " + "y" * 10_000 + "\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


async def test_a_forwarded_address_is_not_believed(identity: ApiIdentity) -> None:
    """Headers of proxies do not change who the client is."""

    async def client(request: Request) -> Response:
        return JSONResponse(request.client and request.client.host)

    server = ApiServer(Starlette(routes=[Route("/", client)]), "127.0.0.1", 0, _tls(identity), limits=LIMITS)
    address = server.listen()
    running = asyncio.create_task(server.run())
    answer = await Served(address, identity, None).ask(GET.replace("host: x", "host: x\r\nx-forwarded-for: 6.6.6.6"))
    assert answer.endswith(b'"127.0.0.1"')
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_stopping_ends_streams(served: Served) -> None:
    """A server that stops tells those who stream, and lets them end."""
    reader, writer = await served.connect()
    writer.write(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b"begun\n"), 5)
    await served.stop()
    assert b"ended" in await asyncio.wait_for(reader.read(), 5)
    writer.close()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection(*served.address)


def test_the_kubeconfig_is_private(identity: ApiIdentity, tmp_path: Path) -> None:
    """The kubeconfig is readable by its owner alone, also when it replaces one that was not."""
    path = tmp_path / "kubeconfig"
    path.touch(0o644)
    document = kubeconfig.kubeconfig(name="m", server="https://x", authority=b"a", certificate=b"b", key=b"c")
    kubeconfig.write(path, document)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["contexts"][0]["context"]["namespace"] == "default"
