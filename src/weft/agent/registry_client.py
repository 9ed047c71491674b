"""The node's workloads, told to the control plane on one stream for as long as they live.

The first report of a stream is complete, later ones carry what changed; a heartbeat goes out every two seconds and takes
the statistics with it. What is registered counts only while the stream lives: `registered` waits for that.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from weft.agent.node_client import LOST, NodeClient, ended, why
from weft.proto import node_pb2, node_pb2_grpc

LOG = logging.getLogger(__name__)
HEARTBEAT = 2.0
SILENCE = 3.0  # unanswered for so long, a peer that answered heartbeats before is taken for stuck
_UNHEARD = 8  # streams in a row that ended at once
_BACK_OFF = (0.05, 0.1, 0.2, 0.4)


@dataclass(slots=True)
class Telemetry:
    """What the next heartbeat takes along."""

    edges: Sequence[node_pb2.EdgeCounters] = ()
    latencies: Sequence[node_pb2.EdgeLatency] = ()
    proxies: Sequence[node_pb2.ProxyState] = ()
    calls: Sequence[node_pb2.CallCounters] = ()


@dataclass(slots=True)
class _Stream:
    """One stream's state. `effective` is the last report in effect, `asked` when the oldest unanswered one was sent."""

    sequence: int = 0
    effective: int = 0
    asked: float | None = None
    answers: int = 0
    carried: dict[str, int] = field(default_factory=dict)  # workload -> the report that carried it
    calls: dict[int, Sequence[node_pb2.CallCounters]] = field(default_factory=dict)  # unanswered: by report


class RegistryClient:
    """Says what the node runs. `on_bundle` takes the trust bundle, `on_refused` why a workload was not taken, `on_trust` whom to
    trust beside, `on_look` what the control plane wants looked at; `sightings` is what the next report takes along of that.
    `on_unheard` is called while no stream comes about."""

    def __init__(
        self,
        client: NodeClient,
        on_bundle: Callable[[bytes], None],
        on_refused: Callable[[str], None] = lambda _: None,
        on_trust: Callable[[node_pb2.Trust], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._on_bundle = on_bundle
        self._on_refused = on_refused
        self._on_trust = on_trust
        self._workloads: dict[str, node_pb2.Workload] = {}
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._progress = asyncio.Condition()
        self._stream: _Stream | None = None
        self.telemetry = Telemetry()
        self.on_eager: Callable[[], None] = lambda: None  # the control plane wants to know what Envoys count as soon as may be
        self.on_lost: Callable[[Sequence[node_pb2.CallCounters]], None] = lambda _: None  # calls that nobody took
        self.on_probes: Callable[[node_pb2.Probes], None] = lambda _: None  # takes the probes of WorkloadGroups
        self.sightings: Sequence[node_pb2.Sighting] = ()
        self.on_unheard: Callable[[], None] = lambda: None
        self.on_look: Callable[[node_pb2.Look], None] = lambda look: None
        self.on_settings: Callable[[node_pb2.AllProxySettings], None] = lambda _: None  # takes how Envoys are started

    @property
    def connected(self) -> bool:
        """Whether the control plane has taken this node's report and the stream lives."""
        return self._stream is not None and self._stream.effective > 0

    def upsert(self, workload: node_pb2.Workload) -> None:
        """Registers a workload, or changes it."""
        key = f"{workload.namespace}/{workload.name}"
        if self._workloads.get(key) != workload:
            self._workloads[key] = workload
            self._change(key)

    def remove(self, key: str) -> None:
        """Takes a workload (`namespace/name`) back."""
        if self._workloads.pop(key, None) is not None:
            self._change(key)

    def _change(self, key: str) -> None:
        self._changed[key] = None
        if self._stream:
            self._stream.carried.pop(key, None)
        self._wake.set()

    def is_registered(self, key: str) -> bool:
        """Whether the control plane knows the workload as it is now, on the stream that lives."""
        if self._stream is None or key not in self._stream.carried:
            return False
        return self._stream.effective >= self._stream.carried[key]

    async def registered(self, key: str) -> None:
        """Waits until the control plane knows the workload (or its removal) as it is now."""
        async with self._progress:
            await self._progress.wait_for(lambda: self.is_registered(key))

    async def answers(self, within: float) -> bool:
        """Whether the control plane answers a heartbeat sent now, in so many seconds."""
        stream = self._stream
        if stream is None:
            return False
        following = stream.sequence + 1
        self._wake.set()
        try:
            async with asyncio.timeout(within), self._progress:
                await self._progress.wait_for(lambda: stream.effective >= following)
        except TimeoutError:
            return False
        return True

    def hasten(self) -> None:
        """Lets the next heartbeat go now, with the telemetry there is."""
        self._wake.set()

    async def run(self) -> None:
        """Keeps the stream open until cancelled."""
        attempt, reason = 0, ""
        while True:
            began = time.monotonic()
            try:
                async with self._client.lease() as channel:
                    await self._converse(channel)
            except LOST as error:
                said = why(error)
                if said != reason:
                    LOG.warning("registration lost reason=%r", said)
                    reason = said
            finally:
                self._stream = None
            attempt = 0 if time.monotonic() - began > 1 else attempt + 1
            if attempt % _UNHEARD == _UNHEARD - 1:
                self.on_unheard()
            await asyncio.sleep(_BACK_OFF[min(attempt, len(_BACK_OFF) - 1)])

    async def _converse(self, channel: grpc.aio.Channel) -> None:
        async with asyncio.timeout(2.0):
            await channel.channel_ready()
        call = node_pb2_grpc.RegistryStub(channel).Register()
        self._stream = stream = _Stream()
        writing = asyncio.create_task(self._write(call, stream))
        try:
            while isinstance(reply := await call.read(), node_pb2.NodeReply):
                await self._take(stream, reply)
            await ended(call)
        finally:
            writing.cancel()
            call.cancel()
            self.on_lost([row for calls in stream.calls.values() for row in calls])

    async def _write(self, call: Any, stream: _Stream) -> None:
        self._changed = dict.fromkeys(self._workloads)
        complete = True
        while True:
            report = self._report(stream, complete)
            complete = False
            try:
                await call.write(report)
            except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
                return  # the reader learns why
            stream.asked = stream.asked or time.monotonic()
            await self._pause()
            if stream.answers > 1 and stream.asked and time.monotonic() - stream.asked > SILENCE:
                LOG.warning("control plane does not answer seconds=%.1f", time.monotonic() - stream.asked)
                await self._client.abandon()
                return

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT):
                await self._wake.wait()
            await asyncio.sleep(0)  # what changes in the same instant goes together
        except TimeoutError:
            pass
        self._wake.clear()

    def _report(self, stream: _Stream, complete: bool) -> node_pb2.NodeReport:
        changed, self._changed = self._changed, {}
        stream.sequence += 1
        stream.carried.update(dict.fromkeys(changed, stream.sequence))
        telemetry, self.telemetry = self.telemetry, Telemetry()
        if telemetry.calls:
            stream.calls[stream.sequence] = telemetry.calls
        sightings, self.sightings = self.sightings, ()
        return node_pb2.NodeReport(
            complete=complete,
            upsert=[self._workloads[key] for key in changed if key in self._workloads],
            remove=[key for key in changed if key not in self._workloads],
            edges=telemetry.edges,
            latencies=telemetry.latencies,
            proxies=telemetry.proxies,
            calls=telemetry.calls,
            sightings=sightings,
            sequence=stream.sequence,
        )

    async def _take(self, stream: _Stream, reply: node_pb2.NodeReply) -> None:
        stream.answers += 1
        stream.asked = None
        stream.calls = {sequence: calls for sequence, calls in stream.calls.items() if sequence > reply.sequence}
        if reply.eager:
            self.on_eager()
        if reply.bundle:
            self._on_bundle(reply.bundle)
        if reply.HasField("trust"):
            self._on_trust(reply.trust)
        if reply.HasField("probes"):
            self.on_probes(reply.probes)
        if reply.HasField("look"):
            self.on_look(reply.look)
        if reply.HasField("settings"):
            self.on_settings(reply.settings)
        if reply.refused:
            LOG.warning("workload refused reason=%r", reply.refused)
            self._on_refused(reply.refused)
        if reply.sequence > stream.effective:
            if stream.effective == 0:
                LOG.info("registered workloads=%d", len(self._workloads))
            async with self._progress:
                stream.effective = reply.sequence
                self._progress.notify_all()
