"""TLS and limits of the two servers, and the identity of a peer.

The node server demands a certificate of the mesh; the bootstrap server demands none, and bounds what a stranger can hold:
time for the handshake, age of a connection, size of a request. Both take a new certificate and trust bundle without a
restart. Their options are gRPC's channel arguments
(https://github.com/grpc/grpc/blob/master/include/grpc/impl/channel_arg_names.h).
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote

import grpc

from weft.ca.attestation import Grants, node_name
from weft.ca.handshakes import Handshakes
from weft.ca.refusals import Refusals
from weft.ca.transport.own_certificate import Material, OwnCertificate
from weft.identity import spiffe_id

log = logging.getLogger("weft.ca")

Context = grpc.aio.ServicerContext[Any, Any]

Options = Sequence[tuple[str, int]]
HANDSHAKE_SECONDS = 5.0
UNFINISHED = "tls handshake not finished"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may take. Seconds and bytes; 0 means no limit."""

    request_bytes: int
    connections: int
    streams: int
    connection_age: float = 0
    connection_idle: float = 0
    handshake: float = HANDSHAKE_SECONDS

    @property
    def options(self) -> Options:
        """The same as gRPC's channel arguments."""
        ages = [("grpc.max_connection_age_ms", self.connection_age), ("grpc.max_connection_idle_ms", self.connection_idle)]
        return (
            ("grpc.so_reuseport", 0),  # a second control plane on the port is an error, not a lottery
            ("grpc.server_handshake_timeout_ms", int(self.handshake * 1000)),
            ("grpc.max_receive_message_length", self.request_bytes),
            ("grpc.max_metadata_size", 8 * 1024),
            ("grpc.absolute_max_metadata_size", 16 * 1024),
            ("grpc.max_concurrent_streams", self.streams),
            ("grpc.max_allowed_incoming_connections", self.connections),
            ("grpc.max_connection_age_grace_ms", 5_000),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.http2.min_ping_interval_without_data_ms", 4_000),  # agents may ask every five seconds
            *((name, int(seconds * 1000)) for name, seconds in ages if seconds),
        )


NODES = Limits(request_bytes=4 * 1024 * 1024, connections=4096, streams=10_000)
STRANGERS = Limits(request_bytes=64 * 1024, connections=512, streams=4, connection_age=20, connection_idle=5)


class RefusalLog:
    """Logs refusals once per peer and reason, and once a minute while they go on."""

    def __init__(self) -> None:
        self._refusals = Refusals()

    def refuse(self, peer: str, reason: str, detail: str = "", count: int = 1) -> None:
        """One refusal (or `count`) of `peer`."""
        line = self._refusals.line(peer, reason, time.monotonic(), detail, count)
        if line is not None:
            log.warning(line)


class Peers:
    """Who is at the other end of a call on the node server."""

    def __init__(self, trust_domain: str, grants: Grants, refusals: RefusalLog, handshakes: Handshakes) -> None:
        """`handshakes` are those of the node server's listener."""
        self.refusals = refusals
        self._trust_domain = trust_domain
        self._grants = grants
        self._handshakes = handshakes

    async def node(self, context: Context) -> str:
        """The node whose agent calls. Ends the call with UNAUTHENTICATED for any other peer, with PERMISSION_DENIED for
        a node that is no part of the mesh any more."""
        self._handshakes.call(context.peer())
        node, problem = self._node(context)
        if node is None:
            self.refusals.refuse(address(context), "not a node", problem)
            await abort(context, grpc.StatusCode.UNAUTHENTICATED, problem)
        if not self._grants.knows(node):
            self.refusals.refuse(node, "unknown node")
            await abort(context, grpc.StatusCode.PERMISSION_DENIED, f"the node {node} is not part of this mesh")
        return node

    def _node(self, context: Context) -> tuple[str | None, str]:
        uris = [value.decode("utf-8", "replace") for value in context.auth_context().get("peer_uri", ())]
        if len(uris) != 1:
            return None, "the peer's certificate carries no single SPIFFE ID"
        try:
            identity = spiffe_id(uris[0])
        except ValueError as error:
            return None, str(error)
        name = node_name(identity)
        if identity.trust_domain != self._trust_domain or name is None:
            return None, f"{identity} is not the identity of a node of {self._trust_domain}"
        return name, ""


async def abort(context: Context, code: grpc.StatusCode, details: str) -> NoReturn:
    """Ends the call. (gRPC's own `abort` never returns either, but its types do not say so.)"""
    await context.abort(code, details)
    raise AssertionError("abort returned")


def address(context: Context) -> str:
    """The peer's address without the port, so that a new connection is the same peer."""
    peer = unquote(context.peer())
    return peer.partition(":")[2].rpartition(":")[0] or peer


class Listener:
    """One gRPC server with TLS, whose certificate and trust bundle change while it runs."""

    def __init__(self, name: str, own: OwnCertificate, limits: Limits, *, mutual: bool) -> None:
        """`mutual`: the peer must show a certificate of the mesh. `name` stands in the log."""
        self.name = name
        self.handshakes = Handshakes(limits.handshake + 1)
        self.port = 0
        self._own = own
        self._limits = limits
        self.mutual = mutual
        self._wanted = self._shown = own.current()
        self._server: grpc.aio.Server | None = None
        self._host = ""

    @property
    def material(self) -> Material:
        """What handshakes that begin now are made with."""
        return self._wanted

    async def start(self, host: str, port: int, services: Iterable[Callable[[grpc.aio.Server], None]]) -> int:
        """Serves `services` (each adds itself to the server) on `host`; returns the port (asked for with 0: any free one).
        Raises OSError when it cannot be bound."""
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._server = grpc.aio.server(options=list(self._limits.options))
        for add in services:
            add(self._server)
        fetched: Callable[[], Any] = self._fetched  # the types forget that None is an answer
        credentials = grpc.dynamic_ssl_server_credentials(self._configuration(self._shown), fetched, self.mutual)
        try:
            self.port = self._server.add_secure_port(place, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {place}: {error}") from error
        self._host = host
        await self._server.start()
        return self.port

    async def stop(self, grace: float = 1.0) -> None:
        """Takes no more calls, and ends those that are open after `grace` seconds."""
        if self._server is not None:
            await self._server.stop(grace)

    async def change(self) -> None:
        """Shows new connections the current certificate and trust bundle from now on; open connections stay.

        gRPC frees the old certificate as soon as no handshake uses it, even under a thread that is about to begin one,
        and then aborts the process (https://github.com/grpc/grpc/issues/36693). So a connection of our own stands in
        its handshake, which holds the old certificate, until no thread can still be between the two.
        """
        async with self._connection():
            await asyncio.sleep(0.2)
            self._wanted = self._own.current()
            async with self._connection():
                await asyncio.sleep(0.2)
            await asyncio.sleep(0.6)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[None]:
        """A connection to ourselves that says nothing. Without one (no descriptor left) the change goes on all the same."""
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(self._host, self.port), 1)
        except OSError:
            yield
            return
        try:
            yield
        finally:
            self.handshakes.take_back()
            writer.close()

    def _fetched(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by a thread of gRPC at the beginning of each handshake; None: nothing changed."""
        self.handshakes.begin(time.monotonic())
        if self._own.is_over(self._wanted):  # the process was suspended: no time for a gentle change
            self._wanted = self._own.current()
        if self._wanted is self._shown:
            return None
        self._shown = self._wanted
        return self._configuration(self._shown)

    def _configuration(self, material: Material) -> grpc.ServerCertificateConfiguration:
        roots = material.bundle if self.mutual else None
        return grpc.ssl_server_certificate_configuration([(material.key, material.chain)], roots)


async def keep(own: OwnCertificate, listeners: Sequence[Listener], refusals: RefusalLog, period: float = 1.0) -> None:
    """Renews the servers' certificate when it is due and logs what never finished a handshake; runs until cancelled.

    It looks at the clock every `period` seconds instead of sleeping until the renewal, since a suspended machine's
    timers stand still.
    """
    while True:
        await asyncio.sleep(period)
        if await asyncio.to_thread(own.renewed) if own.is_external else own.renewed():
            await asyncio.gather(*(listener.change() for listener in listeners))
            log.info("event=certificate_renewed of=control-plane not_after=%s", own.current().end.isoformat())
        for listener in listeners:
            count = listener.handshakes.unfinished(time.monotonic())
            if count:
                refusals.refuse(f"port {listener.port}", UNFINISHED, _UNFINISHED_DETAIL[listener.mutual], count)


_UNFINISHED_DETAIL = {
    True: "no certificate of this mesh, or a peer that stalls",
    False: "a peer that stalls, or does not trust this mesh",
}
