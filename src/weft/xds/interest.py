"""Which host names of the mesh one session depends on, so that a change costs only the sessions it concerns."""

from collections.abc import Iterable, KeysView
from dataclasses import dataclass, field

from weft.model.mesh import Change
from weft.xds.order import Key

ANY_HOST = "*"
"""What depends on this host depends on all of them, those that do not exist yet included."""


def concerned(change: Change) -> frozenset[str]:
    """The hosts whose dependants a change concerns."""
    return change.hosts | change.endpoints | change.credentials | ({ANY_HOST} if change.hosts else frozenset())


@dataclass(slots=True)
class Interest:
    """An index both ways: host to keys, key to hosts. `gained` and `lost` collect what to tell who keeps the inverse."""

    gained: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    _keys: dict[str, set[Key]] = field(default_factory=dict)
    _hosts: dict[Key, frozenset[str]] = field(default_factory=dict)

    @property
    def hosts(self) -> KeysView[str]:
        """Every host something depends on."""
        return self._keys.keys()

    def follow(self, key: Key, hosts: frozenset[str]) -> None:
        """`key` depends on exactly `hosts`."""
        old = self._hosts.get(key, frozenset())
        if old is hosts or (old == hosts and key in self._hosts):
            return
        self._hosts[key] = hosts
        for host in hosts - old:
            self._add(host, key)
        for host in old - hosts:
            self._remove(host, key)

    def drop(self, key: Key) -> None:
        """`key` is not followed any more."""
        for host in self._hosts.pop(key, frozenset()):
            self._remove(host, key)

    def _add(self, host: str, key: Key) -> None:
        keys = self._keys.get(host)
        if keys is None:
            keys = self._keys[host] = set()
            self.lost.discard(host)
            self.gained.add(host)
        keys.add(key)

    def _remove(self, host: str, key: Key) -> None:
        keys = self._keys[host]
        keys.discard(key)
        if not keys:
            del self._keys[host]
            self.gained.discard(host)
            self.lost.add(host)

    def take_changes(self) -> tuple[set[str], set[str]]:
        """Hosts that were gained and lost since this was last called."""
        changes, self.gained, self.lost = (self.gained, self.lost), set(), set()
        return changes

    def all(self) -> Iterable[Key]:
        """Every key."""
        return self._hosts.keys()

    def of(self, hosts: Iterable[str]) -> set[Key]:
        """The keys that depend on one of `hosts`."""
        found: set[Key] = set()
        for host in hosts:
            found |= self._keys.get(host, set())
        return found
