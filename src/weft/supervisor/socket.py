"""Holds the socket at which Envoys ask for configuration, and passes each connection on to the agent's own.

The socket outlives the agent: an Envoy that connects while the agent is away waits here and is served the moment it is back.
(With the socket gone, Envoys came back only after seconds.) gRPC takes no inherited socket, so the bytes are passed on.
"""

import asyncio
from pathlib import Path

from weft.supervisor.private_socket import private_socket

_RETRY = 0.02


class _End(asyncio.Protocol):
    """One end of a splice: what it receives goes to the other; when one closes, so does the other."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport; nothing is read until there is another end."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Passes on."""
        if self.other and self.other.transport:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closes the other end when all that was received has gone there."""
        self.transport = None
        if self.other and self.other.transport:
            self.other.transport.close()

    def pause_writing(self) -> None:
        """This end is slow: the other one is not read for a while."""
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """This end has caught up."""
        if self.other and self.other.transport:
            self.other.transport.resume_reading()


class Splice:
    """The held socket. `connections` counts the Envoys that are connected or wait."""

    def __init__(self, path: Path, agent: Path) -> None:
        self._path, self._agent = path, agent
        self._joining: set[asyncio.Task[None]] = set()
        self.connections = 0

    async def run(self) -> None:
        """Listens until cancelled."""
        bound = private_socket(self._path)
        server = await asyncio.get_running_loop().create_unix_server(self._accepted, sock=bound, backlog=1024)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            for task in self._joining:
                task.cancel()

    def _accepted(self) -> asyncio.Protocol:
        envoy = _End()
        task = asyncio.get_running_loop().create_task(self._join(envoy))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)
        return envoy

    async def _join(self, envoy: _End) -> None:
        self.connections += 1
        try:
            await asyncio.sleep(0)  # the connection is made after its protocol
            while envoy.transport and not envoy.transport.is_closing():
                try:
                    _, agent = await asyncio.get_running_loop().create_unix_connection(_End, str(self._agent))
                except OSError:
                    await asyncio.sleep(_RETRY)
                    continue
                _connect(envoy, agent)
                return
        finally:
            self.connections -= 1


def _connect(one: _End, other: _End) -> None:
    one.other, other.other = other, one
    if one.transport is None or other.transport is None:
        for end in (one, other):
            if end.transport:
                end.transport.close()
        return
    one.transport.resume_reading()
    other.transport.resume_reading()
