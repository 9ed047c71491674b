"""The socket of the Workload API: asks the kernel which process connects, and passes the connection on under a name that says so.

gRPC for Python does not tell whose process is at the other end of a Unix socket. So each connection is passed on to the gRPC
server through a socket that is bound to a random name in the abstract namespace. The server sees that name as its peer, and no
other process can have it while the connection lives. Who connects to the server's own socket has no such name, and gets nothing.
"""

import asyncio
import errno
import logging
import os
import secrets
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from weft.agent.workload_api.attestation import Applications, descends, supervisor

LOG = logging.getLogger(__name__)
_SO_PEERPIDFD = 77  # Linux 6.5
_CHUNK = 64 * 1024
_MOST = 1000  # connections at once
_PATIENCE = 3.0  # seconds until a child of the supervisor is known to be a workload's

PEER = "unix-abstract:"
"""What stands before the name in what gRPC calls the peer."""


def is_supported() -> bool:
    """Whether the kernel tells the process of a peer in the way that is used here."""
    return hasattr(socket, "SO_PEERCRED")


class Front:
    """Listens at `path` and passes on to the gRPC server at `inner`."""

    def __init__(self, path: Path, inner: Path, applications: Applications) -> None:
        self._path = path
        self._inner = inner
        self._applications = applications
        self._callers: dict[str, str] = {}
        self._open: set[asyncio.Task[None]] = set()
        self.parent: Callable[[], int] = supervisor

    def caller(self, peer: str) -> str:
        """The workload (`namespace/name`) behind a peer of the gRPC server; empty for a process that belongs to none."""
        return self._callers.get(peer.removeprefix(PEER), "") if peer.startswith(PEER) else ""

    async def run(self) -> None:
        """Serves until cancelled."""
        self._path.unlink(missing_ok=True)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        bound.bind(str(self._path))
        self._path.chmod(0o600)  # nobody can come in before: nobody listens
        server = await asyncio.start_unix_server(self._accepted, sock=bound, backlog=256)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            for task in tuple(self._open):
                task.cancel()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= _MOST:
            writer.close()
            return
        self._open.add(task)
        name = f"weft-{secrets.token_hex(16)}"
        try:
            self._callers[name] = await self._attested(writer.get_extra_info("socket"))
            await self._pass_on(name, reader, writer)
        except OSError as problem:
            LOG.debug("workload api connection ended reason=%r", str(problem))
        finally:
            self._callers.pop(name, None)
            self._open.discard(task)
            writer.close()

    async def _attested(self, peer: socket.socket) -> str:
        """The workload of the process that connected. It must still be there when that is found out: only then is its number its
        own."""
        pid, _, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        handle = _process(peer, pid)
        try:
            found = self._applications.workload(pid)
            until = asyncio.get_running_loop().time() + _PATIENCE
            while found is None and descends(pid, self.parent()) and asyncio.get_running_loop().time() < until:
                await asyncio.sleep(0.02)  # it was just started: the supervisor is about to say so
                found = self._applications.workload(pid)
            if found is None or handle is None or _has_ended(handle):
                LOG.warning("workload api refused pid=%d", pid)
                return ""
            return found
        finally:
            if handle is not None:
                os.close(handle)

    async def _pass_on(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            inner.setblocking(False)
            inner.bind(f"\0{name}")
            await asyncio.get_running_loop().sock_connect(inner, str(self._inner))
            there, back = await asyncio.open_unix_connection(sock=inner)
        except OSError:
            inner.close()
            raise
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, back))
                both.create_task(_pump(there, writer))
        except* OSError:
            pass
        finally:
            back.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Passes on until the source ends; then the target is closed, and with it the other direction."""
    try:
        while content := await source.read(_CHUNK):
            target.write(content)
            await target.drain()
    finally:
        target.close()


def _process(peer: socket.socket, pid: int) -> int | None:
    """A descriptor of the process that connected; on older kernels, of the process that has its number now. None: it is gone."""
    try:
        return peer.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as problem:
        if problem.errno != errno.ENOPROTOOPT or pid <= 0:
            return None
    with suppress(OSError):
        return os.pidfd_open(pid)
    return None


def _has_ended(handle: int) -> bool:
    ended = select.poll()
    ended.register(handle, select.POLLIN)
    return bool(ended.poll(0))
