"""Make before break, break late: which cluster is used by what, and since when another is not.

A cluster is used by every listener, route configuration and virtual host that names it and that the proxy holds, was told
or waits for. Requests that were routed before a change may be held by filters for long after it: a cluster stays until
the last resource that named it was replaced, the replacement acknowledged, and a while has passed. Until then it keeps what
it had, endpoints included, whatever became of the subset or service it stood for.
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
class Named:
    """Who names what, and how many name it."""

    by: dict[Key, frozenset[str]] = field(default_factory=dict)
    count: dict[str, int] = field(default_factory=dict)

    def replace(self, user: Key, names: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """`user` names exactly `names` from now on. Returns what nobody named before, and what nobody names any more."""
        old = self.by.get(user, frozenset())
        if names == old:
            return (), ()
        if names:
            self.by[user] = names
        else:
            del self.by[user]
        gained = tuple(name for name in sorted(names - old) if self._more(name))
        return gained, tuple(name for name in sorted(old - names) if self._fewer(name))

    def _more(self, name: str) -> bool:
        count = self.count[name] = self.count.get(name, 0) + 1
        return count == 1

    def _fewer(self, name: str) -> bool:
        self.count[name] -= 1
        if self.count[name]:
            return False
        del self.count[name]
        return True


@dataclass(slots=True)
class Uses:
    """Users of clusters. `leaving` holds the clusters nobody uses, with the time at which they may go. A cluster that is
    used but not `desired` serves only what is about to be replaced."""

    linger: float
    leaving: dict[str, float] = field(default_factory=dict)
    _used: Named = field(default_factory=Named)
    _desired: Named = field(default_factory=Named)
    _hold: dict[Key, float] = field(default_factory=dict)
    _adopted: set[str] = field(default_factory=set)

    def set(
        self, user: Key, clusters: Iterable[str], now: float, hold: float = 0.0, *, desired: Iterable[str] | None = None
    ) -> tuple[str, ...]:
        """`user` names exactly `clusters` from now on, and should name `desired` (None: the same). `hold`: seconds for which
        it may hold requests, which counts for what it named until now. Returns those that nobody desired before."""
        new = frozenset(clusters)
        held = self._hold.pop(user, 0.0)
        if new and hold:
            self._hold[user] = hold
        gained, lost = self._used.replace(user, new)
        for name in gained:
            self.leaving.pop(name, None)
            self._adopted.discard(name)
        for name in lost:
            self.leaving[name] = now + max(self.linger, hold, held)
        return self._desired.replace(user, new if desired is None else frozenset(desired))[0]

    def adopt(self, names: Iterable[str], now: float) -> None:
        """The proxy holds these clusters from an earlier stream: what nobody names by then leaves after the usual while."""
        for name in names:
            if not self.used(name):
                self.leaving[name] = now + self.linger
                self._adopted.add(name)

    def used(self, name: str) -> bool:
        """Whether anything names the cluster."""
        return name in self._used.count

    def desired(self, name: str) -> bool:
        """Whether anything should name the cluster once all is told."""
        return name in self._desired.count

    def gone(self, now: float, *, settled: bool = True) -> tuple[str, ...]:
        """The clusters whose time has come; they are not followed any more. `settled`: the proxy holds every route as it
        should be; until then a route of an earlier stream, of which we know nothing, may name what was adopted."""
        due = sorted(name for name, at in self.leaving.items() if at <= now)
        kept = set() if settled else self._adopted.intersection(due)
        for name in due:
            if name in kept:
                self.leaving[name] = now + self.linger
            else:
                del self.leaving[name]
                self._adopted.discard(name)
        return tuple(name for name in due if name not in kept)


def named_clusters(entry: Entry) -> tuple[frozenset[str], float]:
    """The clusters an entry may send traffic to in any of its states, and for how long it may hold a request."""
    states = [resource for resource in (entry.wanted, entry.told, entry.held) if resource is not None]
    if not states:
        return frozenset(), 0.0
    return frozenset().union(*(state.clusters for state in states)), max(state.hold for state in states)


def desired_clusters(entry: Entry) -> tuple[str, ...]:
    """The clusters an entry sends traffic to once it is told."""
    return () if entry.wanted is None else entry.wanted.clusters


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
