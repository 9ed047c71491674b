"""The sessions of all proxies on grpc.aio: one stream per proxy, one writer each, bytes that all of them share.

A change costs the sessions that hold something made from its hosts. It is computed when a stream's writer is free: the first
goes out at once, those that come meanwhile are merged and go out together. https://grpc.github.io/grpc/python/grpc_asyncio.html
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest

from weft.envoy.types import EnvoyResource
from weft.model.mesh import Change
from weft.xds.delta import Response
from weft.xds.interest import concerned
from weft.xds.rejection import Rejection
from weft.xds.session import DEFAULT_SETTINGS, Session, SessionSettings
from weft.xds.snapshots import Snapshot
from weft.xds.status import SessionStatus, Sync
from weft.xds.subscription import TooManyNames

Judge = Callable[[str, Sequence[EnvoyResource]], Awaitable[Mapping[str, str]] | None]
"""Which of these a proxy must not be told, by name, with what is to be said of each. None: it may be told all of them."""

PROXY_METADATA = "weft-proxy"
_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_TICK = 0.2  # seconds between two looks at what is due
_FIRST_REQUEST = 10.0  # seconds for a peer to say what it wants
_RENEW = 5.0  # seconds between two looks at which idle sessions keep an old mesh alive

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 16 << 10),
    ("grpc.max_concurrent_streams", 2000),  # one connection carries all proxies of a node
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.server_handshake_timeout_ms", 10_000),
)
"""What a server that carries these streams is to be made with."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """A connected proxy. Times are of the server's clock."""

    proxy: str
    peer: str
    since: float
    session: SessionStatus


class _Stream:
    """One connected proxy: what it is to be told, and what wakes its writer."""

    def __init__(self, session: Session, peer: str, since: float) -> None:
        self.session = session
        self.peer = peer
        self.since = since
        self.outbox: deque[Response] = deque()
        self.change: Change | None = None
        self.wake = asyncio.Event()
        self.closed = False
        self.revision = 0

    def put(self, responses: Iterable[Response]) -> None:
        """Responses in their order."""
        self.outbox.extend(responses)
        if self.outbox:
            self.wake.set()

    def changed(self, change: Change) -> None:
        """Something it holds may have changed."""
        self.change = change if self.change is None else self.change | change
        self.wake.set()

    @property
    def is_told(self) -> bool:
        """Whether the proxy has acknowledged all it should hold."""
        idle = not self.closed and self.change is None and not self.outbox
        return idle and self.session.status().sync is Sync.SYNCED

    def close(self) -> None:
        """Ends the stream when its writer is free."""
        self.closed = True
        self.wake.set()


class AdsServer:
    """Delta ADS for many proxies.

    `snapshot_of` says what a proxy that connects should hold, None for one that nobody registered; it may wait a little for
    the registration. `authorize` then says whether a peer, known by its SPIFFE ID (empty without TLS), may speak for the
    proxy. `current` is asked afterwards, often: it must be cheap. `judge` is asked of everything that is about
    to be told. `clock` is monotonic.
    """

    def __init__(
        self,
        snapshot_of: Callable[[str], Awaitable[Snapshot | None]],
        authorize: Callable[[str, str], bool],
        current: Callable[[str], Snapshot | None],
        *,
        clock: Callable[[], float] = time.monotonic,
        settings: SessionSettings = DEFAULT_SETTINGS,
        on_rejection: Callable[[Rejection], None] = lambda rejection: None,
        judge: Judge = lambda proxy, resources: None,
    ) -> None:
        self.pushes = 0  # responses sent, a counter
        self.refusals = 0  # resources refused, a counter
        self._snapshot_of = snapshot_of
        self._authorize = authorize
        self._current = current
        self._clock = clock
        self._settings = settings
        self._on_rejection = on_rejection
        self._judge = judge
        self._streams: dict[str, _Stream] = {}
        self._by_host: dict[str, set[_Stream]] = {}
        self._timed: set[_Stream] = set()  # those whose session has a deadline
        self._revision = 0

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serves on `server`."""
        method = grpc.stream_stream_rpc_method_handler(
            self._serve, request_deserializer=DeltaDiscoveryRequest.FromString, response_serializer=None
        )
        handler = grpc.method_handlers_generic_handler(_SERVICE, {"DeltaAggregatedResources": method})
        server.add_generic_rpc_handlers((handler,))

    async def run(self) -> None:
        """Lets time pass for all sessions, without end."""
        renewed = self._clock()
        while True:
            await asyncio.sleep(_TICK)
            now = self._clock()
            for stream in tuple(self._timed):
                deadline = stream.session.deadline
                if deadline is not None and deadline <= now:
                    stream.put(stream.session.tick(now))
                    self._note(stream)
            if now - renewed >= _RENEW:
                renewed = now
                self._renew_idle()

    def publish(self, change: Change) -> None:
        """The mesh changed: whoever holds something made from it is told. Returns at once."""
        self._revision += 1
        for stream in self._concerned(change):
            stream.changed(change)

    def _concerned(self, change: Change) -> Iterable[_Stream]:
        if change.everything:
            return tuple(self._streams.values())
        return set().union(*(self._by_host.get(host, ()) for host in concerned(change)))

    def refresh(self, proxies: Iterable[str]) -> None:
        """These proxies themselves came, changed (their ports, labels, node) or went, not the mesh."""
        for proxy in proxies:
            stream = self._streams.get(proxy)
            if stream is None:
                continue
            if self._current(proxy) is not None and not self._authorize(proxy, stream.peer):
                stream.close()
            stream.changed(Change(everything=True))

    def proxies(self) -> tuple[ProxyStatus, ...]:
        """Every connected proxy, by name."""
        return tuple(
            ProxyStatus(name, stream.peer, stream.since, stream.session.status())
            for name, stream in sorted(self._streams.items())
        )

    def behind(self, proxies: Iterable[str]) -> tuple[str, ...]:
        """Those of `proxies` that have not acknowledged all they should hold: one that is not connected, that refused something,
        or that has not answered yet."""
        streams = ((proxy, self._streams.get(proxy)) for proxy in proxies)
        return tuple(sorted(proxy for proxy, stream in streams if stream is None or not stream.is_told))

    def status(self, proxy: str) -> ProxyStatus | None:
        """One proxy; None while it is not connected."""
        stream = self._streams.get(proxy)
        return None if stream is None else ProxyStatus(proxy, stream.peer, stream.since, stream.session.status())

    # One stream

    async def _serve(
        self, requests: AsyncIterator[DeltaDiscoveryRequest], context: "grpc.aio.ServicerContext[DeltaDiscoveryRequest, bytes]"
    ) -> None:
        proxy, peer = _metadata(context, PROXY_METADATA), peer_identity(context)
        snapshot = await self._snapshot_of(proxy) if proxy else None
        if snapshot is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"proxy {proxy!r} is not registered (yet)")
        if not self._authorize(proxy, peer):
            _log.warning("event=ads-denied proxy=%r peer=%r address=%s", proxy, peer, context.peer())
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{peer or 'this peer'} may not speak for proxy {proxy!r}")
        await context.send_initial_metadata(())  # the peer may wait for it to know that it was let in
        stream = _Stream(Session(proxy, snapshot, settings=self._settings), peer, self._clock())
        stream.revision = self._revision
        self._connect(proxy, stream)
        reader = asyncio.create_task(self._read(stream, requests))
        try:
            await self._write(stream, context)
            if reader.done() and (fault := reader.exception()) is not None:
                raise fault
        except (TooManyNames, TimeoutError) as problem:
            _log.warning("event=ads-refused proxy=%s peer=%s problem=%s", proxy, peer, problem)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(problem))
        finally:
            reader.cancel()
            self._disconnected(proxy, stream)

    async def _read(self, stream: _Stream, requests: AsyncIterator[DeltaDiscoveryRequest]) -> None:
        try:
            async with asyncio.timeout(_FIRST_REQUEST) as limit:
                async for request in requests:
                    limit.reschedule(None)
                    self._take(stream, request)
        finally:
            stream.close()

    def _take(self, stream: _Stream, request: DeltaDiscoveryRequest) -> None:
        now = self._clock()
        if stream.change is None and stream.revision != self._revision:
            self._renew(stream)
        stream.put(stream.session.receive(request, now))
        self._note(stream)

    async def _write(self, stream: _Stream, context: "grpc.aio.ServicerContext[DeltaDiscoveryRequest, bytes]") -> None:
        while not stream.closed:
            await stream.wake.wait()
            stream.wake.clear()
            while not stream.closed and (stream.outbox or stream.change is not None):
                if stream.change is not None:
                    self._update(stream, stream.change)
                while stream.outbox and not stream.closed:
                    response = stream.outbox.popleft()
                    if refused := await self._refused(stream, response):
                        self._withhold(stream, response, refused)
                        continue
                    self.pushes += 1
                    await context.write(response.serialized())

    async def _refused(self, stream: _Stream, response: Response) -> Mapping[str, str]:
        """What of a response must not be told. Later ones wait behind it: their order is what makes them safe."""
        verdict = self._judge(stream.session.proxy, [told.resource for told in response.resources])
        return {} if verdict is None else await verdict

    def _withhold(self, stream: _Stream, response: Response, refused: Mapping[str, str]) -> None:
        """What is wanted instead is looked up first: who waits is then given that, and not told of the refusal."""
        if stream.change is not None:
            self._update(stream, stream.change)
        stream.put(stream.session.withhold(response, refused, self._clock()))
        self._note(stream)

    def _update(self, stream: _Stream, change: Change) -> None:
        stream.change = None
        snapshot = self._current(stream.session.proxy)
        if snapshot is None:
            return  # unregistered: it keeps what it has until it goes
        now = self._clock()
        stream.revision = self._revision
        stream.put(stream.session.update(snapshot, change, now))
        self._note(stream)

    def _renew_idle(self) -> None:
        for stream in self._streams.values():
            if stream.revision != self._revision and stream.change is None:
                self._renew(stream)

    def _renew(self, stream: _Stream) -> None:
        snapshot = self._current(stream.session.proxy)
        stream.revision = self._revision
        if snapshot is not None:
            stream.session.renew(snapshot)

    def _note(self, stream: _Stream) -> None:
        """Keeps what finds a session by host and by deadline, and passes on what was refused."""
        if stream.session.deadline is None:
            self._timed.discard(stream)
        else:
            self._timed.add(stream)
        gained, lost = stream.session.take_host_changes()
        for host in gained:
            self._by_host.setdefault(host, set()).add(stream)
        for host in lost:
            self._leave(host, stream)
        for rejection in stream.session.take_rejections():
            self.refusals += 1
            self._on_rejection(rejection)

    def _leave(self, host: str, stream: _Stream) -> None:
        streams = self._by_host.get(host)
        if streams is not None:
            streams.discard(stream)
            if not streams:
                del self._by_host[host]

    def _connect(self, proxy: str, stream: _Stream) -> None:
        """The newest stream of a proxy wins: an old one is what is left of a broken connection."""
        if (old := self._streams.get(proxy)) is not None:
            old.close()
        self._streams[proxy] = stream

    def _disconnected(self, proxy: str, stream: _Stream) -> None:
        self._note(stream)
        self._timed.discard(stream)
        for host in tuple(stream.session.hosts):
            self._leave(host, stream)
        if self._streams.get(proxy) is stream:
            del self._streams[proxy]


def _metadata(context: "grpc.aio.ServicerContext[DeltaDiscoveryRequest, bytes]", key: str) -> str:
    value = dict(context.invocation_metadata() or ()).get(key, "")
    return value if isinstance(value, str) else ""


def peer_identity(context: "grpc.aio.ServicerContext[DeltaDiscoveryRequest, bytes]") -> str:
    """The SPIFFE ID in the peer's certificate; empty without one, or with several."""
    uris = tuple((context.auth_context() or {}).get("peer_uri", ()))
    return uris[0].decode("utf-8", "replace") if len(uris) == 1 else ""
