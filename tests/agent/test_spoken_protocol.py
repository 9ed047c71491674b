"""What an application speaks, asked of real servers."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes.calls import PROGRAMS, needs, self_signed

from weft.agent.instance import Address
from weft.agent.spoken_protocol import spoken_protocol

PYTHON = sys.executable
ASGI = "import uvicorn\nasync def app(s, r, send):\n    print(s['type'], flush=True)\n"
SERVERS = {
    "http": [
        (PYTHON, "-m", "http.server", "--bind", "127.0.0.1", "{port}"),
        (PYTHON, "-c", f"{ASGI}\nuvicorn.run(app, port={{port}}, lifespan='off', log_level='error')"),
        (PYTHON, "-m", "weft.cli.main", "echo"),
    ],
    "http2": [(PYTHON, f"{PROGRAMS}/serve_grpc.py")],
    "tcp": [(PYTHON, f"{PROGRAMS}/serve_stream.py", "127.0.0.1:{port}", "{folder}/cert.pem", "{folder}/key.pem")],
}


@contextmanager
def running(command: tuple[str, ...], folder: Path) -> Iterator[Address]:
    """A server, once it takes connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [word.format(port=port, folder=folder) for word in command]
    environ = {"HOST": "127.0.0.1", "PORT": str(port), "PATH": "/usr/bin:/bin:/usr/local/bin", "PYTHONPATH": ":".join(sys.path)}
    with (folder / "log").open("w") as log, subprocess.Popen(words, stdout=log, stderr=log, env=environ) as process:
        try:
            end = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < end, (folder / "log").read_text()
                    time.sleep(0.05)
            yield Address("127.0.0.1", port)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("expected", "command"), [(expected, command) for expected, commands in SERVERS.items() for command in commands]
)
async def test_servers_that_wait_to_be_asked(expected: str, command: tuple[str, ...], tmp_path: Path) -> None:
    """HTTP/1.1 servers, one that speaks HTTP/2 as well, and one of gRPC are known by their answers; one of TLS hangs up."""
    self_signed("localhost", tmp_path)
    with running(command, tmp_path) as address:
        assert await spoken_protocol(address) == expected


@needs("redis-server")
async def test_redis_is_not_alarmed(tmp_path: Path) -> None:
    """A Redis takes the question for a command that it does not know, goes on, and sees no attack in it."""
    with running(("redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--save", ""), tmp_path) as address:
        assert await spoken_protocol(address) == "tcp"
        assert "SECURITY" not in (tmp_path / "log").read_text()


async def test_who_speaks_first_is_sent_nothing() -> None:
    """A server that greets is TCP, and the only byte it gets is none."""
    received: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        received.append(await reader.read())
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        assert await spoken_protocol(_address(server)) == "tcp"
        await asyncio.sleep(0.05)
    assert received == [b""]


@pytest.mark.parametrize("answer", [b"", b"PRI * HTTP/2.0\r\n", b"\0\0\0\4", b"-ERR unknown command\r\n"])
async def test_everything_else_is_tcp(answer: bytes) -> None:
    """An echo, an error and the end of the connection are no HTTP, and the one question is not followed by another."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(100)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert await spoken_protocol(_address(server)) == "tcp"
    assert connections == 1


async def test_https_that_answers_in_the_clear() -> None:
    """A server of HTTPS that says 400 to whoever does not begin with TLS is TLS, not HTTP."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(100)
        if first[:1] == b"\x16":
            writer.write(b"\x16\x03\x03\x00\x10" + bytes(16))
        else:
            writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert await spoken_protocol(_address(server)) == "tls"


def _address(server: asyncio.Server) -> Address:
    return Address("127.0.0.1", server.sockets[0].getsockname()[1])
