"""Make before break, break late: which cluster is used by what, and since when another is not.

A cluster is used by every listener, route configuration and virtual host that names it and that the proxy holds, was told
or waits for. Requests that were routed before a change may be held by filters for long after it: a cluster stays until
the last resource that named it was replaced, the replacement acknowledged, and a while has passed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from weft.envoy.types import EnvoyResource, TypeUrl
from weft.xds.ledger import Entry, Ledger


class Key(NamedTuple):
    """One thing a session follows: a resource by type and name, for virtual hosts by the name that was asked."""

    type_url: TypeUrl
    name: str


@dataclass(slots=True)
class Uses:
    """Users of clusters. `leaving` holds the clusters nobody uses, with the time at which they may go."""

    linger: float
    leaving: dict[str, float] = field(default_factory=dict)
    _of: dict[Key, frozenset[str]] = field(default_factory=dict)
    _hold: dict[Key, float] = field(default_factory=dict)
    _count: dict[str, int] = field(default_factory=dict)

    def set(self, user: Key, clusters: Iterable[str], now: float, hold: float = 0.0) -> tuple[str, ...]:
        """`user` names exactly `clusters` from now on. `hold`: seconds for which it may hold requests, which counts for what
        it named until now. Returns those that nobody named before."""
        new = frozenset(clusters)
        old = self._of.get(user, frozenset())
        held = self._hold.pop(user, 0.0)
        if new and hold:
            self._hold[user] = hold
        if new == old:
            return ()
        if new:
            self._of[user] = new
        else:
            self._of.pop(user, None)
        self._fewer(old - new, now, max(hold, held))
        return tuple(name for name in sorted(new - old) if self._more(name))

    def _more(self, name: str) -> bool:
        count = self._count[name] = self._count.get(name, 0) + 1
        self.leaving.pop(name, None)
        return count == 1

    def _fewer(self, names: Iterable[str], now: float, hold: float) -> None:
        for name in names:
            self._count[name] -= 1
            if not self._count[name]:
                del self._count[name]
                self.leaving[name] = now + max(self.linger, hold)

    def adopt(self, names: Iterable[str], now: float) -> None:
        """The proxy holds these clusters from an earlier stream: what nobody names by then leaves after the usual while."""
        for name in names:
            if name not in self._count:
                self.leaving[name] = now + self.linger

    def used(self, name: str) -> bool:
        """Whether anything names the cluster."""
        return name in self._count

    def gone(self, now: float) -> tuple[str, ...]:
        """The clusters whose time has come; they are not followed any more."""
        names = tuple(sorted(name for name, at in self.leaving.items() if at <= now))
        for name in names:
            del self.leaving[name]
        return names


def named_clusters(entry: Entry) -> tuple[frozenset[str], float]:
    """The clusters an entry may send traffic to in any of its states, and for how long it may hold a request."""
    states = [resource for resource in (entry.wanted, entry.told, entry.held) if resource is not None]
    if not states:
        return frozenset(), 0.0
    return frozenset().union(*(state.clusters for state in states)), max(state.hold for state in states)


def ready(resource: EnvoyResource, clusters: Ledger, endpoints: Ledger) -> bool:
    """Whether everything `resource` sends traffic to is there, so that it can be released."""
    return all(_cluster_ready(name, clusters, endpoints) for name in resource.clusters)


def _cluster_ready(name: str, clusters: Ledger, endpoints: Ledger) -> bool:
    """A cluster with endpoints by EDS counts when they were acknowledged, any other as soon as it was sent. The cluster's
    own acknowledgement is no sign: Envoy withholds it while any cluster warms. What does not exist, or was refused and has
    no older version, is not waited for."""
    entry = clusters.entries.get(name)
    if entry is None or (entry.wanted is None and not entry.told_version):
        return True
    if not entry.told_version:
        return False
    known = entry.told or entry.wanted
    if known is None or not known.eds:
        return True
    assignment = endpoints.entries.get(name)
    if assignment is None:
        return False
    return bool(assignment.held_version) or bool(assignment.refused)


def refused_clusters(resource: EnvoyResource, clusters: Ledger) -> tuple[str, ...]:
    """The clusters of `resource` that the proxy refused and of which it has no older version."""
    return tuple(name for name in resource.clusters if _is_refused(clusters.entries.get(name)))


def _is_refused(entry: Entry | None) -> bool:
    return entry is not None and bool(entry.refused) and entry.wanted is None and not entry.told_version
