"""The workloads that are registered now: the state of `agents.py`, kept equal to the store, and those who wait for it.

Changes are taken one after the other, each only when the store has it. A sign of life never waits for a write.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from weft.discovery.agents import Agents, Registration, Report, Step, Write, adopted
from weft.discovery.leases import BROKEN, LEASE, Leases
from weft.discovery.workload_entry import RESOURCE, key, node_of
from weft.model.workload import Proxy
from weft.store.store import Conflict, Delete, Store

log = logging.getLogger("weft.discovery")

TICK = 0.25
_ATTEMPTS = 3

OnChange = Callable[[frozenset[str]], None]


class Grants(Protocol):
    """What the operator granted to nodes (as in `ca.attestation`)."""

    def knows(self, node: str) -> bool:
        """Whether the node is (still) part of the mesh."""
        ...

    def may(self, node: str, namespace: str, service_account: str) -> bool:
        """Whether workloads with this identity may run on the node."""
        ...


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Seconds a lease lasts without a heartbeat and after a broken stream, and the most workloads a node may have."""

    lease: float = LEASE
    broken: float = BROKEN
    workloads: int = 5_000


class Registry:
    """Who is there. `await start()` before anything else; `run()` ends leases until it is cancelled."""

    def __init__(
        self,
        store: Store,
        grants: Grants,
        settings: RegistrySettings = RegistrySettings(),
        monotonic: Callable[[], float] = time.monotonic,
        on_expired: Callable[[Sequence[str]], None] = lambda nodes: None,
    ) -> None:
        """`on_expired` is told the nodes whose leases ended."""
        self._store = store
        self._grants = grants
        self._settings = settings
        self._monotonic = monotonic
        self.on_expired = on_expired
        self._agents = Agents()
        self._leases = Leases(settings.lease, settings.broken)
        self._changing = asyncio.Lock()
        self._observers: list[OnChange] = []
        self._waiting: dict[str, list[asyncio.Future[Proxy]]] = {}

    # Look-ups

    @property
    def proxies(self) -> Mapping[str, Proxy]:
        """All proxies, by `namespace/name`."""
        return self._agents.proxies

    def proxy(self, name: str) -> Proxy | None:
        """The proxy of the workload `namespace/name`; None while no agent reported it to this process."""
        return self._agents.proxy(name)

    def proxies_of(self, node: str) -> Iterable[Proxy]:
        """The proxies that the node registered."""
        return [proxy for name in self._agents.of(node) if (proxy := self._agents.proxy(name))]

    def node_of(self, name: str) -> str | None:
        """The node that registered the workload."""
        return self._agents.node_of(name)

    def subscribe(self, observer: OnChange) -> Callable[[], None]:
        """Calls `observer` with the names of proxies that came, changed or went, after the store has it. The answer ends
        that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    async def wait_for(self, name: str, timeout: float) -> Proxy | None:
        """The proxy of a workload, waited for; None when it did not come in `timeout` seconds."""
        if found := self.proxy(name):
            return found
        future: asyncio.Future[Proxy] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(future)
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return None
        finally:
            self._stop_waiting(name, future)

    # Changes

    async def start(self) -> None:
        """Takes over what agents registered before this process began, with a fresh lease."""
        stored, _ = await self._store.list(RESOURCE)
        self._agents = adopted(one.body for one in stored)
        for one in self._agents.registrations.values():
            self._leases.renew(one.node, self._monotonic())

    async def run(self) -> None:
        """Ends leases until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            if self._leases.expired(self._monotonic()):
                await self.expire()

    async def expire(self) -> None:
        """Removes what nodes registered whose leases ended."""
        async with self._changing:
            nodes = self._leases.expired(self._monotonic())  # again: a heartbeat may have come while others wrote
            await self._take(self._agents.without(nodes))
            self._leases.drop(nodes)
        if nodes:
            log.warning("event=lease_ended nodes=%s", ",".join(nodes))
            self.on_expired(nodes)

    def heard(self, node: str) -> None:
        """A sign of life of `node`."""
        self._leases.renew(node, self._monotonic())

    def left(self, node: str) -> None:
        """The node's stream ended."""
        self._leases.shorten(node, self._monotonic())

    async def report(self, node: str, report: Report) -> Mapping[str, str]:
        """Takes a report; returns when the store has it. The answer: workloads that were not taken, and why.

        Whoever asks may be cancelled, for its stream may end; what was begun is finished, or state and store would differ.
        """
        self.heard(node)
        if report.is_empty:
            return {}
        return await asyncio.shield(self._report(node, report))

    async def _report(self, node: str, report: Report) -> Mapping[str, str]:
        async with self._changing:
            refused = self._refused(node, report)
            step = await self._reported(node, _without(report, refused))
        self.heard(node)
        return {**refused, **step.refused}

    async def recheck(self) -> None:
        """Removes what is not granted any more: call it when grants changed."""
        async with self._changing:
            for node in {one.node for one in self._agents.registrations.values()}:
                mine = (self.proxy(name) for name in self._agents.of(node))
                lost = tuple(proxy.workload.key for proxy in mine if proxy and not self._may(node, proxy))
                await self._take(self._agents.report(node, Report(remove=lost), _now()))

    def _may(self, node: str, proxy: Proxy) -> bool:
        workload = proxy.workload
        return self._grants.knows(node) and self._grants.may(node, workload.namespace, workload.service_account)

    def _refused(self, node: str, report: Report) -> dict[str, str]:
        refused = {}
        count = len(self._agents.of(node))
        for proxy in report.upsert:
            name, workload = proxy.workload.key, proxy.workload
            if not self._may(node, proxy):
                refused[name] = f"{name}: the node {node} is not granted {workload.namespace}/{workload.service_account}"
            elif self.node_of(name) is None and (count := count + 1) > self._settings.workloads:
                refused[name] = f"{name}: the node {node} has {self._settings.workloads} workloads already"
        return refused

    async def _reported(self, node: str, report: Report) -> Step:
        for attempt in range(1, _ATTEMPTS + 1):
            await self._look_up(proxy.workload.key for proxy in report.upsert)
            step = self._agents.report(node, report, _now())
            try:
                await self._take(step)
            except Conflict:  # somebody wrote an entry of that name since we looked
                if attempt == _ATTEMPTS:
                    raise
                continue
            break
        return step

    async def _look_up(self, names: Iterable[str]) -> None:
        """Takes entries in the store that the state does not know (an operator wrote them) into it, so that nobody takes
        their names."""
        found = dict(self._agents.registrations)
        for name in names:
            if name not in found or not found[name].node:
                stored = await self._store.get(key(name))
                found.pop(name, None)
                if stored is not None:
                    found[name] = Registration(node_of(stored.body), stored.body)
        self._agents = Agents(found)

    async def _take(self, step: Step) -> None:
        if step.writes:
            await self._write(step.writes)
        self._agents = step.agents
        if step.changed:
            self._tell(step.changed)

    async def _write(self, writes: Sequence[Write]) -> None:
        try:
            await self._store.write(writes)
        except KeyError:  # an operator deleted an entry that we delete
            kept = [write for write in writes if not isinstance(write, Delete) or await self._store.get(write.key)]
            await self._store.write(kept)

    def _tell(self, changed: frozenset[str]) -> None:
        for name in changed:
            if found := self.proxy(name):
                for future in self._waiting.get(name, ()):
                    if not future.done():
                        future.set_result(found)
        for observer in tuple(self._observers):
            observer(changed)

    def _stop_waiting(self, name: str, future: asyncio.Future[Proxy]) -> None:
        waiting = self._waiting[name]
        waiting.remove(future)
        if not waiting:
            del self._waiting[name]


def _without(report: Report, refused: Mapping[str, str]) -> Report:
    """The report without the workloads that are refused; what was registered of them goes."""
    if not refused:
        return report
    upsert = tuple(proxy for proxy in report.upsert if proxy.workload.key not in refused)
    return Report(upsert, (*report.remove, *refused), report.complete)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
