"""What the resources of one type should be, what was told of them, and what the proxy acknowledged.

Responses in flight are acknowledged by nonce, in order. A version that was refused is never sent again on this stream; where
Envoy does not say which resource of a response it refused, halves of it are sent apart until the offender stands alone.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from weft.envoy.types import EnvoyResource, TypeUrl
from weft.xds.delta import Nonce
from weft.xds.rejection import Rejection, offenders, rejection

ABSENT = "absent"
"""The version of what was answered as removed: there is nothing of that name, and the proxy knows it."""


@dataclass(slots=True)
class Entry:
    """One name. Versions are empty where there is none; a resource is None where only its version is known (after a
    reconnect) or where it is ABSENT. `due_since` is None while there is nothing to tell."""

    wanted: EnvoyResource | None = None
    told: EnvoyResource | None = None
    told_version: str = ""
    held: EnvoyResource | None = None
    held_version: str = ""
    refused: str = ""
    forced: bool = False
    due_since: float | None = None

    @property
    def wanted_version(self) -> str:
        """The version it should have."""
        return ABSENT if self.wanted is None else self.wanted.version


@dataclass(frozen=True, slots=True)
class Flight:
    """A response that is not answered yet: (name, what was told) pairs and removed names."""

    told: tuple[tuple[str, EnvoyResource | None], ...]
    removed: tuple[str, ...]
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer was about: names that were told and names that were taken back, and which of the told it refused."""

    told: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()


@dataclass(slots=True)
class Ledger:
    """The entries of one type on one stream."""

    type_url: TypeUrl
    proxy: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    due: dict[str, None] = field(default_factory=dict)
    flights: dict[Nonce, Flight] = field(default_factory=dict)
    rejections: dict[str, Rejection] = field(default_factory=dict)
    suspects: deque[tuple[str, ...]] = field(default_factory=deque)
    last_ack: float | None = None

    def adopt(self, versions: Mapping[str, str], now: float) -> None:
        """The proxy holds these from an earlier stream."""
        for name, version in versions.items():
            entry = self.entries.setdefault(name, Entry())
            entry.told_version = entry.held_version = version
            if entry.wanted is not None:
                self._compare(name, entry, now)

    def want(self, name: str, resource: EnvoyResource | None, now: float, *, again: bool = False) -> Entry:
        """`name` should be `resource` (None: nothing). `again`: tell it even if it was told. A refused version is passed
        over: what stands instead stays."""
        entry = self.entries.setdefault(name, Entry())
        if resource is None or resource.version != entry.refused:
            entry.wanted = resource
            self.rejections.pop(name, None)
        elif entry.wanted is None:
            return entry
        entry.forced = entry.forced or again
        self._compare(name, entry, now)
        return entry

    def instead(self, name: str, resource: EnvoyResource, now: float) -> None:
        """`resource` stands in for what was refused or cannot be had."""
        entry = self.entries[name]
        if resource.version != entry.refused:
            entry.wanted = resource
            self._compare(name, entry, now)

    def force(self, name: str, now: float) -> None:
        """Tell `name` again, though it is unchanged."""
        entry = self.entries[name]
        entry.forced = True
        self._compare(name, entry, now)

    def _compare(self, name: str, entry: Entry, now: float) -> None:
        if entry.forced or entry.wanted_version != entry.told_version:
            if entry.due_since is None:
                entry.due_since = now
            self.due[name] = None
            return
        if entry.told is None:
            entry.told = entry.wanted
        if entry.held is None and entry.held_version == entry.told_version:
            entry.held = entry.wanted
        entry.due_since = None
        self.due.pop(name, None)

    def forget(self, name: str) -> None:
        """`name` is not asked any more, and was told to nobody or taken back."""
        self.entries.pop(name, None)
        self.due.pop(name, None)
        self.rejections.pop(name, None)

    def forget_removed(self, names: Iterable[str]) -> None:
        """The proxy took `names` back; those that are not wanted again are forgotten."""
        for name in names:
            entry = self.entries.get(name)
            if entry is not None and not entry.told_version and name not in self.due:
                self.forget(name)

    def due_entries(self) -> tuple[tuple[str, Entry], ...]:
        """What is to be told."""
        return tuple((name, self.entries[name]) for name in self.due)

    def tell(self, nonce: Nonce, names: Sequence[str], removed: Sequence[str]) -> Flight:
        """Marks `names` as told and `removed` as taken back by the response `nonce`."""
        told = []
        for name in names:
            entry = self.entries[name]
            entry.told, entry.told_version = entry.wanted, entry.wanted_version
            entry.forced, entry.due_since = False, None
            self.due.pop(name, None)
            told.append((name, entry.told))
        for name in removed:
            entry = self.entries[name]
            entry.told, entry.told_version, entry.due_since = None, "", None
            self.due.pop(name, None)
        flight = Flight(tuple(told), tuple(removed), bool(self.suspects) and set(names) == set(self.suspects[0]))
        if flight.suspect:
            self.suspects.popleft()
        self.flights[nonce] = flight
        return flight

    def acknowledged(self, nonce: str, now: float) -> Verdict:
        """The proxy took the response `nonce`. An unknown nonce (of another stream) settles nothing."""
        flight = self.flights.pop(Nonce(nonce), None)
        if flight is None:
            return Verdict()
        self.last_ack = now
        for name, resource in flight.told:
            self._settle(name, resource)
        for name in flight.removed:
            entry = self.entries.get(name)
            if entry is not None and not entry.told_version:
                entry.held, entry.held_version = None, ""
        return Verdict(tuple(name for name, _ in flight.told), flight.removed)

    def _settle(self, name: str, resource: EnvoyResource | None) -> None:
        entry = self.entries.get(name)
        if entry is None:
            return
        entry.held, entry.held_version = resource, ABSENT if resource is None else resource.version

    def refused(self, nonce: str, message: str, now: float, named: Mapping[str, str] | None = None) -> Verdict:
        """The proxy refused the response `nonce`: what it held stays, the offender is set aside, the rest is due again. `named`:
        the offenders with what is to be said of each, where they are known."""
        flight = self.flights.pop(Nonce(nonce), None)
        if flight is None:
            return Verdict()
        told = {name: resource for name, resource in flight.told if resource is not None and name in self.entries}
        self._take_back(flight, told, now)
        guilty = offenders(message, tuple(told)) if named is None else tuple(name for name in named if name in told)
        if not guilty and named is None and len(told) > 1:
            half = len(told) // 2
            self.suspects.extend((tuple(told)[:half], tuple(told)[half:]))
        words = named or {}
        rejections = tuple(
            rejection(self.proxy, told[name], words.get(name, message), withheld=named is not None) for name in guilty
        )
        for found in rejections:
            self._set_aside(found, now)
        return Verdict(tuple(told), flight.removed, rejections)

    def _take_back(self, flight: Flight, told: Mapping[str, EnvoyResource], now: float) -> None:
        for name in (*told, *flight.removed):
            entry = self.entries.get(name)
            if entry is None or (name in told and entry.told is not told[name]):
                continue  # something newer was told meanwhile
            entry.told, entry.told_version = entry.held, entry.held_version
            if name in told:
                self._compare(name, entry, now)

    def _set_aside(self, found: Rejection, now: float) -> None:
        """The offender is not due any more; the last good version, where there is one, stands."""
        entry = self.entries[found.name]
        entry.refused = found.version
        if entry.wanted_version == found.version:
            self.rejections[found.name] = found
            entry.wanted = entry.held
            if entry.held is None:
                entry.forced, entry.due_since = False, None
                self.due.pop(found.name, None)
            else:
                self._compare(found.name, entry, now)

    def batch(self, names: Iterable[str]) -> tuple[str, ...]:
        """Which of `names` may go in one response: while there are suspects, they go alone."""
        while self.suspects:
            group = tuple(name for name in self.suspects[0] if name in self.due)
            if not group:
                self.suspects.popleft()
                continue
            self.suspects[0] = group
            allowed = set(names)
            return group if allowed.issuperset(group) else ()
        return tuple(names)

    def versions(self) -> dict[str, str]:
        """What the proxy holds, by its own word."""
        return {name: e.held_version for name, e in self.entries.items() if e.held_version not in ("", ABSENT)}
