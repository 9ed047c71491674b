"""What agents registered: a frozen value, and the next one after a report.

Nothing is written here: a report is answered with the next state and the writes that lead to it, and the caller takes the
next state when the writes succeeded. A workload belongs to the node that registered it first, until that node lets it go;
no other node can take its name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from weft.discovery.workload_entry import Body, is_same, key, node_of, workload_entry
from weft.model.workload import Proxy
from weft.store.store import Delete, Put

Write = Put | Delete


@dataclass(frozen=True, slots=True)
class Report:
    """What a node says changed. `complete`: `upsert` is all it has."""

    upsert: tuple[Proxy, ...] = ()
    remove: tuple[str, ...] = ()
    complete: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it is only a sign of life."""
        return not (self.upsert or self.remove or self.complete)


@dataclass(frozen=True, slots=True)
class Registration:
    """One workload. `proxy` is None for one found in the store at the start that its node did not report again yet."""

    node: str
    entry: Body
    proxy: Proxy | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The next state, what must be written before it holds, whose proxies then differ, and what was not taken and why."""

    agents: "Agents"
    writes: tuple[Write, ...] = ()
    changed: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Agents:
    """All registered workloads, by `namespace/name`."""

    registrations: Mapping[str, Registration] = field(default_factory=dict)

    @property
    def proxies(self) -> Mapping[str, Proxy]:
        """The proxies that are there."""
        return {name: one.proxy for name, one in self.registrations.items() if one.proxy is not None}

    def proxy(self, name: str) -> Proxy | None:
        """The proxy of a workload."""
        found = self.registrations.get(name)
        return found.proxy if found else None

    def node_of(self, name: str) -> str | None:
        """The node whose workload this is."""
        found = self.registrations.get(name)
        return found.node if found else None

    def of(self, node: str) -> frozenset[str]:
        """The workloads of a node."""
        return frozenset(name for name, one in self.registrations.items() if one.node == node)

    def report(self, node: str, report: Report, now: str) -> Step:
        """After `node` reported. `now` is RFC 3339, for the entries."""
        step = Step(self)
        gone = set(report.remove)
        if report.complete:
            gone |= self.of(node) - {proxy.workload.key for proxy in report.upsert}
        for name in sorted(gone & self.of(node)):
            step = _without(step, name)
        for proxy in sorted(report.upsert, key=lambda proxy: proxy.workload.key):
            step = _with(step, proxy, node, now)
        return step

    def without(self, nodes: Iterable[str]) -> Step:
        """After the leases of `nodes` ended."""
        step = Step(self)
        for node in sorted(set(nodes)):
            for name in sorted(self.of(node)):
                step = _without(step, name)
        return step


def adopted(entries: Iterable[Body]) -> Agents:
    """The state found in a store: the entries that a node registered before this process began."""
    registrations = {}
    for entry in entries:
        if node := node_of(entry):
            meta = entry["metadata"]
            registrations[f"{meta['namespace']}/{meta['name']}"] = Registration(node, entry)
    return Agents(registrations)


def _with(step: Step, proxy: Proxy, node: str, now: str) -> Step:
    name = proxy.workload.key
    old = step.agents.registrations.get(name)
    if old is not None and old.node != node:
        owner = f"is registered by the node {old.node}" if old.node else "is a WorkloadEntry that somebody else wrote"
        return replace(step, refused={**step.refused, name: f"{name} {owner}"})
    entry = workload_entry(proxy, node, now, old.entry if old else None)
    writes, changed = step.writes, step.changed
    if old is not None and is_same(old.entry, entry):
        entry = old.entry
    else:
        writes = (*writes, Put(key(name), entry, None if old else 0))
    if old is None or old.proxy != proxy:
        changed |= {name}
    registrations = {**step.agents.registrations, name: Registration(node, entry, proxy)}
    return Step(Agents(registrations), writes, changed, step.refused)


def _without(step: Step, name: str) -> Step:
    registrations = {key: one for key, one in step.agents.registrations.items() if key != name}
    return Step(Agents(registrations), (*step.writes, Delete(key(name))), step.changed | {name}, step.refused)
