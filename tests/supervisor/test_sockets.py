"""The held socket, and the control socket."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from weft.supervisor.control import Connection, Control, Json, Refused
from weft.supervisor.socket import Splice


@asynccontextmanager
async def _spliced(folder: Path) -> AsyncIterator[tuple[Path, Path]]:
    held, agent = folder / "xds.sock", folder / "agent.sock"
    task = asyncio.create_task(Splice(held, agent).run())
    async with asyncio.timeout(5):
        while not held.exists():
            await asyncio.sleep(0.01)
    yield held, agent
    task.cancel()


async def _agent(path: Path, name: bytes) -> asyncio.Server:
    """Answers each line with its name before it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(name + line)
        writer.close()

    return await asyncio.start_unix_server(serve, str(path), limit=2**24)


async def test_bytes_go_both_ways(tmp_path: Path) -> None:
    """Also more of them than a socket holds."""
    async with _spliced(tmp_path) as (held, path):
        agent = await _agent(path, b"")
        reader, writer = await asyncio.open_unix_connection(str(held), limit=2**24)
        line = b"x" * 5_000_000 + b"\n"
        writer.write(line)
        assert await reader.readline() == line
        agent.close()
        writer.close()


async def test_who_comes_while_the_agent_is_away_waits(tmp_path: Path) -> None:
    """And is served within the retry interval when it is back."""
    async with _spliced(tmp_path) as (held, path):
        reader, writer = await asyncio.open_unix_connection(str(held))
        writer.write(b"hello\n")
        await asyncio.sleep(0.1)
        agent = await _agent(path, b"first ")
        async with asyncio.timeout(1):
            assert await reader.readline() == b"first hello\n"
        agent.close()
        writer.close()


async def test_an_agent_that_goes_closes_its_connections(tmp_path: Path) -> None:
    """So that Envoy connects again, and reaches the next agent."""
    async with _spliced(tmp_path) as (held, path):
        first = await _agent(path, b"first ")
        reader, writer = await asyncio.open_unix_connection(str(held))
        writer.write(b"a\n")
        assert await reader.readline() == b"first a\n"
        writer.write_eof()
        async with asyncio.timeout(2):
            assert await reader.read() == b""
        first.close()
        path.unlink()
        second = await _agent(path, b"second ")
        reader, writer = await asyncio.open_unix_connection(str(held))
        writer.write(b"b\n")
        assert await reader.readline() == b"second b\n"
        second.close()
        writer.close()


# the control socket


async def _echo(_: Connection, request: Json) -> Json:
    return {"said": request["text"]}


async def _refuse(_: Connection, __: Json) -> Json:
    raise Refused("not today")


async def _slow(_: Connection, __: Json) -> Json:
    await asyncio.sleep(0.3)
    return {}


@asynccontextmanager
async def _controlled(folder: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    path = folder / "supervisor.sock"
    task = asyncio.create_task(Control(path, {"echo": _echo, "refuse": _refuse, "slow": _slow}).run())
    async with asyncio.timeout(5):
        while not path.exists():
            await asyncio.sleep(0.01)
    assert path.stat().st_mode & 0o777 == 0o600
    reader, writer = await asyncio.open_unix_connection(str(path))
    yield reader, writer
    writer.close()
    task.cancel()


async def test_answers_carry_the_number_of_their_request(tmp_path: Path) -> None:
    """A slow one does not hold up the next."""
    async with _controlled(tmp_path) as (reader, writer):
        writer.write(b'{"id": 1, "op": "slow"}\n{"id": 2, "op": "echo", "text": "hi"}\n')
        assert json.loads(await reader.readline()) == {"id": 2, "ok": True, "said": "hi"}
        assert json.loads(await reader.readline()) == {"id": 1, "ok": True}


async def test_what_cannot_be_done_is_answered(tmp_path: Path) -> None:
    """A refusal, an unknown op, a missing argument and what is no request at all; the connection stays."""
    async with _controlled(tmp_path) as (reader, writer):
        for line, error in (
            (b'{"id": 1, "op": "refuse"}\n', "not today"),
            (b'{"id": 1, "op": "dance"}\n', "there is no op 'dance'"),
            (b'{"id": 1, "op": "echo"}\n', "the request lacks or misspells something: KeyError('text')"),
            (b"nonsense\n", "a request is a JSON object with an id and an op"),
            (b"[]\n", "a request is a JSON object with an id and an op"),
        ):
            writer.write(line)
            answer = json.loads(await reader.readline())
            assert (answer["ok"], answer["error"]) == (False, error)


async def test_private_sockets_leave_the_umask_alone(tmp_path: Path) -> None:
    """Children inherit it: were it narrowed while both sockets begin, nobody but root could enter a folder that they make."""
    before = os.umask(0o022)
    try:
        async with _spliced(tmp_path) as (held, _), _controlled(tmp_path):
            assert held.stat().st_mode & 0o777 == 0o600
        both = [
            asyncio.create_task(part.run())
            for part in (Splice(tmp_path / "a", tmp_path / "b"), Control(tmp_path / "c", {"echo": _echo}))
        ]
        await asyncio.sleep(0.05)
        assert (during := os.umask(0o022)) == 0o022, f"{during:o}"
        for task in both:
            task.cancel()
    finally:
        os.umask(before)
