"""Who calls what: the edges of the service graph, with their rates over a window.

Sidecars count per destination host since their Envoy began. A rate is the difference of two such totals; a total that went
down means a new Envoy, and counts from zero.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from weft.envoy.names import parse_outbound
from weft.telemetry.histogram import quantile

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals of one destination host of one cluster of one proxy."""

    proxy: str
    cluster: str
    endpoint: str
    requests: int
    successes: int
    errors: int
    connections: int
    mtls: bool
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Latency:
    """Cumulative buckets of response times (milliseconds) of one cluster of one proxy, since its Envoy began."""

    proxy: str
    cluster: str
    bounds: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Party:
    """Which service and version an instance belongs to, as the table names it."""

    service: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """Traffic from one service to one version of another, over the window. Rates are per second, `p99` in milliseconds.

    `success` is the share (0-1) of requests that did not fail; None without requests. `share` is the part of the
    source's traffic to that service that went to this version. `connections` counts where no request is read (TCP). `tls`: it is
    not the mesh's mTLS but some that the caller's sidecar originates.
    """

    source: str
    destination: str
    port: int
    version: str
    rps: float
    connections: float
    success: float | None
    p99: float | None
    mtls: bool
    share: float
    tls: bool = False


@dataclass(slots=True)
class _Flow:
    """What is added up for one edge."""

    requests: float = 0.0
    successes: float = 0.0
    errors: float = 0.0
    connections: float = 0.0
    seconds: float = 0.0
    mtls: bool = True
    tls: bool = True
    clusters: set[tuple[str, str]] = field(default_factory=set)


class Edges:
    """The reports of the last `window` seconds."""

    def __init__(self, window: float = 15.0) -> None:
        self._window = window
        self._counters: dict[tuple[str, str, str], deque[tuple[float, Counters]]] = {}
        self._latencies: dict[tuple[str, str], deque[tuple[float, Latency]]] = {}
        self._since: dict[str, float] = {}  # proxy -> its first report: totals in it are of unknown age

    def begin(self, proxy: str, now: float) -> None:
        """A proxy that is new: it counts from zero, so that its first report already says how much there was since."""
        self._since.setdefault(proxy, now)

    def observe(self, counters: Iterable[Counters], latencies: Iterable[Latency], now: float) -> None:
        """Takes one report, made at `now` (seconds, any monotonic clock)."""
        for row in counters:
            self._since.setdefault(row.proxy, now)
            key = (row.proxy, row.cluster, row.endpoint)
            if key not in self._counters:
                self._counters[key] = self._before(row, now)
            self._keep(self._counters[key], row, now)
        for latency in latencies:
            self._keep(self._latencies.setdefault((latency.proxy, latency.cluster), deque()), latency, now)

    def _before(self, row: Counters, now: float) -> deque[tuple[float, Counters]]:
        """What a destination had counted before its first report: nothing, unless it is its proxy's first as well."""
        since = self._since[row.proxy]
        return deque([(max(since, now - self._window), _nothing(row))] if since < now else [])

    def _keep(self, rows: deque[tuple[float, Row]], row: Row, now: float) -> None:
        rows.append((now, row))
        while len(rows) > 2 and rows[1][0] <= now - self._window:
            rows.popleft()

    def forget(self, now: float) -> None:
        """Drops what was not reported for ten windows."""
        limit = now - 10 * self._window
        proxies = {key[0] for key, rows in self._counters.items() if rows[-1][0] > limit}
        self._since = {proxy: since for proxy, since in self._since.items() if proxy in proxies or since > limit}
        self._counters = {key: rows for key, rows in self._counters.items() if rows[-1][0] > limit}
        self._latencies = {key: rows for key, rows in self._latencies.items() if rows[-1][0] > limit}

    def table(self, now: float, party: Callable[[str], Party], by_address: Callable[[str], Party]) -> tuple[Edge, ...]:
        """All edges with traffic in the window, sorted by their names.

        `party` tells the service of a proxy (`namespace/name`), `by_address` that of a destination's `host:port`.
        """
        flows: dict[tuple[str, str, int, str], _Flow] = defaultdict(_Flow)
        for (proxy, cluster, endpoint), rows in self._counters.items():
            outbound = parse_outbound(cluster)
            if outbound is None or rows[-1][0] < now - self._window:
                continue
            port, subset, host = outbound
            if len(rows) == 1 and rows[0][0] <= self._since[proxy]:
                continue
            first, last = _ends(rows)
            requests = last.requests - first.requests
            connections = last.connections - first.connections
            if requests <= 0 and connections <= 0:
                continue
            there = by_address(endpoint)
            flow = flows[(party(proxy).service, host, port, there.version or subset)]
            since = rows[0][0] if len(rows) > 1 else max(self._since[proxy], rows[-1][0] - self._window)
            flow.seconds = max(flow.seconds, rows[-1][0] - since)
            flow.requests += requests
            flow.successes += last.successes - first.successes
            flow.errors += last.errors - first.errors
            flow.connections += connections
            flow.mtls = flow.mtls and last.mtls
            flow.tls = flow.tls and last.tls
            flow.clusters.add((proxy, cluster))
        return self._edges(flows)

    def asked(self, now: float, window: float) -> Iterator[tuple[str, str, int]]:
        """(proxy, cluster, requests, or connections where none is read) of the last `window` seconds; 0 for what was quiet."""
        for (proxy, cluster, _), rows in self._counters.items():
            if len(rows) == 1 and rows[0][0] <= self._since[proxy]:
                continue
            recent = [row for row in rows if row[0] >= rows[-1][0] - window]
            first, last = _ends(deque(recent) if len(recent) > 1 else deque([*rows][-2:]))
            quiet = rows[-1][0] < now - window
            yield proxy, cluster, 0 if quiet else (last.requests - first.requests) or (last.connections - first.connections)

    def failures(self, now: float, window: float, endpoints: Container[str]) -> tuple[int, int]:
        """Requests to these endpoints (`host:port`) in the last `window` seconds, and how many of them failed."""
        requests = failed = 0
        for (_, _, endpoint), rows in self._counters.items():
            recent = [row for row in rows if row[0] >= now - window]
            if endpoint not in endpoints or not recent:
                continue
            before = [row for row in rows if row[0] < now - window][-1:]
            if len(before) + len(recent) == 1 and recent[0][0] <= self._since[recent[0][1].proxy]:
                continue
            first, last = _ends(deque([*before, *recent]))
            requests += last.requests - first.requests
            failed += last.errors - first.errors
        return requests, failed

    def _edges(self, flows: dict[tuple[str, str, int, str], _Flow]) -> tuple[Edge, ...]:
        totals: dict[tuple[str, str, int], float] = defaultdict(float)
        for (source, destination, port, _), flow in flows.items():
            totals[(source, destination, port)] += flow.requests or flow.connections
        return tuple(
            Edge(
                source,
                destination,
                port,
                version,
                rps=flow.requests / (flow.seconds or 1.0),
                connections=flow.connections / (flow.seconds or 1.0),
                success=1 - flow.errors / flow.requests if flow.requests else None,
                p99=self._p99(flow.clusters),
                mtls=flow.mtls,
                tls=flow.tls,
                share=(flow.requests or flow.connections) / totals[(source, destination, port)],
            )
            for (source, destination, port, version), flow in sorted(flows.items())
        )

    def _p99(self, clusters: Iterable[tuple[str, str]]) -> float | None:
        bounds: tuple[float, ...] = ()
        counts: list[float] = []
        for key in clusters:
            rows = self._latencies.get(key)
            if not rows:
                continue
            first, last = _latency_ends(rows)
            if not bounds:
                bounds, counts = last.bounds, [0.0] * len(last.bounds)
            if last.bounds == bounds:
                counts = [sum(pair) for pair in zip(counts, _difference(last.counts, first.counts), strict=True)]
        return quantile(0.99, bounds, counts)


def _ends(rows: deque[tuple[float, Counters]]) -> tuple[Counters, Counters]:
    first, last = rows[0][1], rows[-1][1]
    if len(rows) == 1 or last.requests < first.requests or last.connections < first.connections:
        first = _nothing(last)
    return first, last


def _nothing(of: Counters) -> Counters:
    return replace(of, requests=0, successes=0, errors=0, connections=0)


def _latency_ends(rows: deque[tuple[float, Latency]]) -> tuple[Latency, Latency]:
    first, last = rows[0][1], rows[-1][1]
    if len(rows) == 1 or (last.counts and first.counts and last.counts[-1] < first.counts[-1]):
        first = Latency(last.proxy, last.cluster, last.bounds, (0,) * len(last.counts))
    return first, last


def _difference(last: Sequence[int], first: Sequence[int]) -> tuple[float, ...]:
    if len(last) != len(first):
        return tuple(float(count) for count in last)
    return tuple(float(after - before) for after, before in zip(last, first, strict=True))
