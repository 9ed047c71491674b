"""The gRPC service that agents register their workloads with.

A stream is one node's, and a newer one replaces it. Its first report is complete and removes what the node has no more;
every report is a heartbeat, and is answered once the store has it. What a report says wrong of one workload refuses that
workload, never the others.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc

from weft.discovery import node_report
from weft.discovery.registry import Registry
from weft.model.workload import Proxy
from weft.proto import node_pb2, node_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
_LONGEST_REFUSAL = 2_000  # characters


class Refusals(Protocol):
    """Where refusals are logged."""

    def refuse(self, peer: str, reason: str, detail: str = "") -> None:
        """One refusal."""
        ...


class Peers(Protocol):
    """Who calls. `ca.transport.server.Peers` is one."""

    @property
    def refusals(self) -> Refusals:
        """Where refusals are logged."""
        ...

    async def node(self, context: Context) -> str:
        """The calling node; ends the call when the peer is none."""
        ...


class Telemetry(Protocol):
    """Takes what the sidecars of a node counted."""

    def observe(
        self,
        node: str,
        edges: Sequence[node_pb2.EdgeCounters],
        latencies: Sequence[node_pb2.EdgeLatency],
        proxies: Sequence[node_pb2.ProxyState],
        calls: Sequence[node_pb2.CallCounters],
    ) -> None:
        """All of it is of workloads that `node` registered."""
        ...


@dataclass(slots=True, eq=False)
class _Stream:
    """One open call. One message is written at a time; the rest is what the agent was told last."""

    node: str
    context: Context
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    sequence: int = 0
    bundle: bytes = b""
    trust: node_pb2.Trust | None = None
    probes: node_pb2.Probes = field(default_factory=node_pb2.Probes)
    look: int = 0
    settings: node_pb2.AllProxySettings = field(default_factory=node_pb2.AllProxySettings)
    ended: str = ""
    reader: asyncio.Task[None] | None = None

    def end(self, reason: str) -> None:
        """Ends the call with ABORTED: the agent comes again, with a complete report."""
        self.ended = reason
        if self.reader is not None:
            self.reader.cancel()


class RegistryServicer(node_pb2_grpc.RegistryServicer):  # type: ignore[misc]  # generated, without types
    """Registers workloads for the nodes that call."""

    def __init__(
        self,
        registry: Registry,
        peers: Peers,
        telemetry: Telemetry,
        bundle: bytes,
        trust: node_pb2.Trust | None = None,
        probes: Callable[[frozenset[str]], node_pb2.Probes] = lambda groups: node_pb2.Probes(),
        settings: Callable[[Iterable[Proxy]], node_pb2.AllProxySettings] = lambda proxies: node_pb2.AllProxySettings(),
    ) -> None:
        """`bundle`: the trust bundle (PEM) that each agent is told at the start. `trust`: whom to trust beside. `probes` are
        those of WorkloadGroups, of which each agent is told those that its workloads name, `settings` how Envoys are started."""
        self._registry = registry
        self._peers = peers
        self._telemetry = telemetry
        self._bundle = bundle
        self._trust = trust
        self._probes = probes
        self._settings = settings
        self._streams: dict[str, _Stream] = {}
        self._look = node_pb2.Look()
        self.on_sightings: Callable[[str, Sequence[node_pb2.Sighting]], None] = lambda node, sightings: None
        self.eager: Callable[[], bool] = lambda: False  # whether somebody watches what Envoys count
        registry.on_expired = self._expired

    async def publish_bundle(self, bundle: bytes) -> None:
        """Tells all agents a new trust bundle."""
        self._bundle = bundle
        await self._tell_all()

    async def publish_trust(self, trust: node_pb2.Trust) -> None:
        """Tells all agents whom to trust beside the mesh's own roots."""
        if trust != self._trust:
            self._trust = trust
            await self._tell_all()

    async def _tell_all(self) -> None:
        await asyncio.gather(*(self._send(stream, stream.sequence) for stream in tuple(self._streams.values())))

    async def publish_words(self) -> None:
        """Tells agents for whose workloads WorkloadGroups or ProxyConfigs say something else than before."""
        streams = [one for one in self._streams.values() if one.sequence and not self._is_told(one)]
        await asyncio.gather(*(self._send(stream, stream.sequence) for stream in streams))

    def _is_told(self, of: _Stream) -> bool:
        return self._probes_of(of.node) == of.probes and self._settings_of(of.node) == of.settings

    def _settings_of(self, node: str) -> node_pb2.AllProxySettings:
        return self._settings(self._registry.proxies_of(node))

    def _probes_of(self, node: str) -> node_pb2.Probes:
        groups = {proxy.workload.group_key for proxy in self._registry.proxies_of(node)} - {""}
        return self._probes(frozenset(groups)) if groups else node_pb2.Probes()

    async def Register(self, requests: AsyncIterator[node_pb2.NodeReport], context: Context) -> None:
        """One node's stream."""
        node = await self._peers.node(context)
        stream = self._opened(node, context)
        stream.reader = asyncio.create_task(self._read(node, stream, requests))
        try:
            await stream.reader
        except asyncio.CancelledError:
            if not stream.ended:
                raise
        finally:
            stream.reader.cancel()
            self._closed(node, stream)
        if stream.ended:
            await context.abort(grpc.StatusCode.ABORTED, stream.ended)

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes whose agents are connected."""
        return frozenset(self._streams)

    async def look(self, look: node_pb2.Look) -> None:
        """Has all agents look at what their proxies serve; an agent that comes later is told so too. `on_sightings` is told
        what they saw."""
        self._look = look
        await asyncio.gather(*(self._send(stream, stream.sequence) for stream in tuple(self._streams.values())))

    def _opened(self, node: str, context: Context) -> _Stream:
        if older := self._streams.get(node):
            older.end("a newer stream of this node replaced this one")
        self._streams[node] = _Stream(node, context)
        return self._streams[node]

    def _closed(self, node: str, stream: _Stream) -> None:
        if self._streams.get(node) is stream:
            del self._streams[node]
            self._registry.left(node)

    def _expired(self, nodes: Sequence[str]) -> None:
        for node in nodes:
            if stream := self._streams.get(node):
                stream.end("no heartbeat came in time: register again")

    async def _read(self, node: str, stream: _Stream, requests: AsyncIterator[node_pb2.NodeReport]) -> None:
        first = True
        async for message in requests:
            if first and not message.complete:
                stream.ended = "the first report of a stream must be complete"
                return
            first = False
            await self._take(node, stream, message)

    async def _take(self, node: str, stream: _Stream, message: node_pb2.NodeReport) -> None:
        report, invalid = node_report.report(message, node)
        refused = {**invalid, **await self._registry.report(node, report)}
        for name, reason in refused.items():
            self._peers.refusals.refuse(node, f"workload {name}", reason)
        self._observe(node, message)
        mine = self._registry.node_of
        if seen := [one for one in message.sightings if not one.proxy or mine(one.proxy) == node]:
            self.on_sightings(node, seen)
        await self._send(stream, message.sequence, refused)

    def _observe(self, node: str, message: node_pb2.NodeReport) -> None:
        if message.edges or message.latencies or message.proxies or message.calls:
            mine = self._registry.node_of
            self._telemetry.observe(
                node,
                [one for one in message.edges if mine(one.proxy) == node],
                [one for one in message.latencies if mine(one.proxy) == node],
                [one for one in message.proxies if mine(one.proxy) == node],
                [one for one in message.calls if mine(one.proxy) == node],
            )

    async def _send(self, stream: _Stream, sequence: int, refused: Mapping[str, str] = {}) -> None:
        async with stream.writing:
            why = "; ".join(refused.values())[:_LONGEST_REFUSAL]
            reply = node_pb2.NodeReply(sequence=sequence, eager=self.eager(), refused=why)
            if stream.look != self._look.number:
                reply.look.CopyFrom(self._look)
                stream.look = self._look.number
            if stream.bundle != self._bundle:
                reply.bundle = stream.bundle = self._bundle
            if self._trust is not None and stream.trust != self._trust:
                stream.trust = self._trust
                reply.trust.CopyFrom(self._trust)
            if (probes := self._probes_of(stream.node)) != stream.probes:
                reply.probes.CopyFrom(probes)
                stream.probes = probes
            if (settings := self._settings_of(stream.node)) != stream.settings:
                reply.settings.CopyFrom(settings)
                stream.settings = settings
            stream.sequence = sequence
            with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):  # it ended meanwhile: its reader knows
                await stream.context.write(reply)
