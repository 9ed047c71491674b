"""The API on a loopback address: TLS with a client certificate, and no peer may make it wait.

A handshake, a request's head and its body each have a deadline; heads and bodies have a size. Who is refused is logged
once. uvicorn parses and answers; accepting and shutting down are ours, since its own server takes the process's signals
and cannot tell of a failed handshake.
"""

import asyncio
import logging
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from weft.controlplane.api.caller import subject

log = logging.getLogger("weft.api")

PIECE = 4096
"""Bytes of a head that are parsed at once."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: the server's certificate chain and key (the same file may hold both), and the authority whose client
    certificates are let in; none: everybody is, without one."""

    certificate: Path
    key: Path
    client_authority: Path | None
    tokens: bool = False  # whether a client may come with a token instead


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are in seconds, sizes in bytes. `idle` is how long a connection may be kept between requests, `drain` how long a
    request may go on after the server was told to stop."""

    handshake: float = 5.0
    head: float = 10.0
    body: float = 30.0
    idle: float = 75.0
    drain: float = 2.0
    head_size: int = 64 * 1024
    connections: int = 512


def context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or newer; a client without a certificate of the authority, where there is one, is refused, unless there are tokens.
    Raises OSError for unreadable files."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(tls.certificate, tls.key)
    if tls.client_authority:
        made.verify_mode = ssl.CERT_OPTIONAL if tls.tokens else ssl.CERT_REQUIRED
        made.load_verify_locations(tls.client_authority)
    made.set_alpn_protocols(["http/1.1"])
    return made


class ApiServer:
    """Serves `app` at `host:port` (0: a free one). `listen`, then `run` until it is cancelled; `stopping` is set when it
    begins to end, for those who answer without end."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, tls: Tls, *, limits: Limits = Limits(), stopping: asyncio.Event | None = None
    ) -> None:  # fmt: skip
        self._place = (host, port)
        self._tls = tls
        self._limits = limits
        self._stopping = stopping or asyncio.Event()
        self._state = ServerState()
        self._accepting: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._config = Config(
            app,
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=int(limits.idle),
            h11_max_incomplete_event_size=limits.head_size,
            limit_concurrency=limits.connections,
        )

    def listen(self) -> tuple[str, int]:
        """Binds, and says where. Raises OSError, or ssl.SSLError for broken files."""
        self._context = context(self._tls)
        family = socket.AF_INET6 if ":" in self._place[0] else socket.AF_INET
        self._listener = socket.create_server(self._place, family=family, backlog=256)
        self._listener.setblocking(False)
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    def reload(self) -> None:
        """Reads the certificate files again; connections made from now on use them."""
        self._context = context(self._tls)

    async def run(self) -> None:
        """Accepts and serves until cancelled; then requests under way may end within `Limits.drain`."""
        if not self._listener:
            self.listen()
        assert self._listener
        self._config.load()
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._accept_one(loop, self._listener)
        finally:
            self._listener.close()
            await self._drain()

    async def _accept_one(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        try:
            connection, peer = await loop.sock_accept(listener)
        except OSError as problem:  # out of descriptors: those that are served end first
            log.error('event=accept-failed reason="%s"', problem)
            await asyncio.sleep(0.2)
            return
        if len(self._accepting) >= self._limits.connections:
            log.warning('event=refused peer=%s:%s reason="too many handshakes at once"', *peer[:2])
            connection.close()
            return
        task = asyncio.create_task(self._welcome(connection, peer))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _welcome(self, connection: socket.socket, peer: Any) -> None:
        """The handshake. Whoever fails it is logged and gone."""
        loop = asyncio.get_running_loop()
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(
                lambda: Protocol(self._config, self._state, self._limits),
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._limits.handshake,
                ssl_shutdown_timeout=1.0,
            )
        except (OSError, ssl.SSLError) as problem:
            log.warning('event=refused peer=%s:%s reason="%s"', *peer[:2], _reason(problem))
            connection.close()

    async def _drain(self) -> None:
        self._stopping.set()
        for task in self._accepting:
            task.cancel()
        for protocol in tuple(self._state.connections):
            protocol.shutdown()
        tasks = tuple(self._state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=self._limits.drain)
        for task in self._state.tasks:
            task.cancel()
        for protocol in tuple(self._state.connections):
            protocol.transport.abort()


def _reason(problem: OSError) -> str:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"client certificate: {problem.verify_message}"
    if isinstance(problem, ssl.SSLError):
        return (problem.reason or str(problem)).lower().replace("_", " ")
    return str(problem) or type(problem).__name__


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1 with deadlines for what the peer has yet to send."""

    def __init__(self, config: Config, state: ServerState, limits: Limits) -> None:
        super().__init__(config, state, {})
        self._limits = limits
        self._deadline: asyncio.TimerHandle | None = None
        self._awaited = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Notes who it is, and waits for a request's head."""
        self.app_state = {"peer": subject(transport.get_extra_info("peercert"))}
        super().connection_made(transport)
        self._await("head", self._limits.head)

    def data_received(self, data: bytes) -> None:
        """Takes what came and sets the deadline for what is missing."""
        if self.conn.their_state is h11.IDLE:
            self._await("head", self._limits.head)
        while data and self.conn.their_state is h11.IDLE:  # in pieces: h11 measures a head only while it is incomplete
            super().data_received(data[:PIECE])
            data = data[PIECE:]
        if data and not self.transport.is_closing():
            super().data_received(data)
        if self.conn.their_state is h11.SEND_BODY:
            self._await("body", self._limits.body)
        elif self.conn.their_state is not h11.IDLE:
            self._await("", 0)

    def on_response_complete(self) -> None:
        """The next request may come at leisure: the idle time is uvicorn's."""
        self._await("", 0)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._await("", 0)
        super().connection_lost(exc)

    def _await(self, what: str, seconds: float) -> None:
        """Starts the deadline for `what`, unless it is running already; nothing stops it."""
        if what == self._awaited:
            return
        if self._deadline:
            self._deadline.cancel()
        self._awaited = what
        self._deadline = self.loop.call_later(seconds, self._too_slow) if what else None

    def _too_slow(self) -> None:
        peer = "{}:{}".format(*self.client) if self.client else "?"
        log.warning('event=refused peer=%s reason="the %s of a request did not arrive in time"', peer, self._awaited)
        self.transport.abort()
