"""Who called what: a table of calls by their kind, in bounded memory, that forgets what was not seen for long.

A kind is who called (an identity, or an address where none was shown), which port of which workload, and what was asked: method,
host and a template of the path. Whatever callers may vary as they like has a bound, past which it is `*` (of a path, `{*}`).
Headers and queries are never here.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from weft.telemetry.path_template import collapsed, covers

MTLS, TLS, PLAINTEXT = "mtls", "tls", "plaintext"
MTLS_ONLY = "mtls-only"
"""What refuses a connection that is not the mesh's own, where no other is taken (STRICT)."""

ANY = "*"

MOST_OPERATIONS = 128
"""Of one caller at one port: methods, hosts and paths together."""

MOST_EDGES = 20_000
_MOST_ADDRESSES = 200  # of callers without an identity, at one port
_MOST_HOSTS, _MOST_METHODS = 16, 12
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"))

D = TypeVar("D", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called. `identity` is a SPIFFE ID; without one there is an `address` (no port). `transport`: mtls, tls, plaintext."""

    identity: str = ""
    address: str = ""
    transport: str = MTLS


@dataclass(frozen=True, slots=True)
class Operation:
    """What was asked. Nothing at all: a connection whose bytes are not read."""

    method: str = ""
    host: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Edge(Generic[D]):
    """A caller at a port of a destination. `denied_by` is what refused it (empty: it was let pass), `shadow` what a policy on
    trial would have refused it by."""

    destination: D
    port: int
    caller: Caller
    denied_by: str = ""
    shadow: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """How often, and when first and last, in Unix seconds."""

    count: int
    first: float
    last: float

    def plus(self, other: "Seen") -> "Seen":
        """Both together."""
        return Seen(self.count + other.count, min(self.first, other.first), max(self.last, other.last))


@dataclass(frozen=True, slots=True)
class Call(Generic[D]):
    """A kind of call that was made."""

    edge: Edge[D]
    operation: Operation
    seen: Seen

    @property
    def is_tcp(self) -> bool:
        """Whether its bytes were not read."""
        return not self.operation.method


@dataclass(slots=True)
class _Operations:
    seen: dict[Operation, Seen] = field(default_factory=dict)
    folded: bool = False


class CallTable(Generic[D]):
    """The calls. `most` bounds the edges: beyond it those go that were not seen for longest."""

    def __init__(self, most: int = MOST_EDGES) -> None:
        self._most = most
        self._edges: dict[Edge[D], _Operations] = {}
        self._strangers: dict[tuple[D, int], set[str]] = {}
        self.dropped = 0
        """Edges that were forgotten for want of room."""

    def __len__(self) -> int:
        return sum(len(each.seen) for each in self._edges.values())

    def add(self, edge: Edge[D], operation: Operation, seen: Seen) -> tuple[Edge[D], Operation]:
        """Takes calls; what they are called in the table."""
        edge = self._bounded(edge)
        found = self._edges.get(edge)
        if found is None:
            self._make_room()
            found = self._edges[edge] = _Operations()
        if operation not in found.seen and (found.folded or len(found.seen) >= MOST_OPERATIONS):
            operation = _folded_into(found, operation)
        there = found.seen.get(operation)
        found.seen[operation] = there.plus(seen) if there else seen
        return edge, operation

    def _bounded(self, edge: Edge[D]) -> Edge[D]:
        if edge.caller.identity or edge.caller.address == ANY:
            return edge
        strangers = self._strangers.setdefault((edge.destination, edge.port), set())
        if edge.caller.address not in strangers and len(strangers) >= _MOST_ADDRESSES:
            return replace(edge, caller=replace(edge.caller, address=ANY))
        strangers.add(edge.caller.address)
        return edge

    def _make_room(self) -> None:
        if len(self._edges) < self._most:
            return
        oldest = sorted(self._edges, key=lambda one: _last(self._edges[one]))[: max(1, self._most // 20)]
        self.dropped += len(oldest)
        for each in oldest:
            del self._edges[each]

    def __iter__(self) -> Iterator[Call[D]]:
        for edge, operations in self._edges.items():
            for operation, seen in operations.seen.items():
                yield Call(edge, operation, seen)

    def of(self, edge: Edge[D]) -> Iterator[Call[D]]:
        """The calls of one edge."""
        found = self._edges.get(edge)
        return (Call(edge, operation, seen) for operation, seen in (found.seen.items() if found else ()))

    def forget(self, before: float) -> tuple[Edge[D], ...]:
        """Drops the calls that were last seen before a time; the edges that lost some."""
        changed = []
        for edge, operations in tuple(self._edges.items()):
            kept = {one: seen for one, seen in operations.seen.items() if seen.last >= before}
            if len(kept) == len(operations.seen):
                continue
            changed.append(edge)
            operations.seen = kept
            if not kept:
                del self._edges[edge]
        if changed:
            self._strangers = {}
            for edge in self._edges:
                if not edge.caller.identity:
                    self._strangers.setdefault((edge.destination, edge.port), set()).add(edge.caller.address)
        return tuple(changed)


def _last(of: _Operations) -> float:
    return max((seen.last for seen in of.seen.values()), default=0.0)


def _folded_into(of: _Operations, one: Operation) -> Operation:
    """What stands for an operation that is new where there are many; the others are made fewer when they are too many."""
    if found := next((known for known in of.seen if stands_for(known, one)), None):
        return found
    if len(of.seen) < MOST_OPERATIONS:
        return one
    names = _fewer((*of.seen, one))
    together: dict[Operation, Seen] = {}
    for known, seen in of.seen.items():
        named = names[known]
        together[named] = together[named].plus(seen) if named in together else seen
    of.seen, of.folded = together, True
    return names[one]


def stands_for(known: Operation, one: Operation) -> bool:
    """Whether `one` is among what `known` stands for."""
    same = known.method in (one.method, ANY) and known.host in (one.host, ANY)
    return same and (known.path == one.path or covers(known.path, one.path))


def _fewer(operations: Iterable[Operation]) -> dict[Operation, Operation]:
    """A name for each of them, of at most three quarters as many as there may be."""
    most = MOST_OPERATIONS * 3 // 4
    named = {one: one for one in operations}
    if len({one.host for one in named}) > _MOST_HOSTS:
        named = {one: replace(to, host=ANY) for one, to in named.items()}
    if len({one.method for one in named}) > _MOST_METHODS:
        named = {one: to if to.method in _METHODS else replace(to, method=ANY) for one, to in named.items()}
    pairs = {(to.method, to.host) for to in named.values()}
    if len(set(named.values())) > most:
        paths = collapsed((to.path for to in named.values()), max(1, most // max(1, len(pairs))))
        named = {one: replace(to, path=paths[to.path]) for one, to in named.items()}
    if len(set(named.values())) > most:
        named = {one: replace(to, host=ANY) for one, to in named.items()}
    if len(set(named.values())) > most:
        named = {one: replace(to, method=ANY, path="/{**}" if to.path else "") for one, to in named.items()}
    return named
