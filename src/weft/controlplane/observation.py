"""What agents report of their proxies, kept for those who ask: the edges, and the state of each proxy."""

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from weft.controlplane.addresses import shown
from weft.model.locality import zone
from weft.model.workload import Proxy
from weft.proto import node_pb2
from weft.telemetry.demand import Asked, demand
from weft.telemetry.edges import Counters, Edge, Edges, Latency, Party

_LATELY = 6.0  # seconds of requests that say where a destination is asked from: three reports


@dataclass(frozen=True, slots=True)
class ProxyState:
    """What an agent last said of one Envoy. `listeners`: gateway port asked for -> port bound."""

    certificate_not_after: int
    connected: bool
    listeners: Mapping[str, int]


class Observation:
    """All reports since the control plane began."""

    def __init__(
        self,
        window: float = 15.0,
        monotonic: Callable[[], float] = time.monotonic,
        on_calls: Callable[[Sequence[node_pb2.CallCounters]], None] = lambda _: None,
    ) -> None:
        self._monotonic = monotonic
        self._on_calls = on_calls
        self._edges = Edges(window)
        self._states: dict[str, ProxyState] = {}
        self._asked: Asked = {}

    def observe(
        self,
        node: str,
        edges: Sequence[node_pb2.EdgeCounters],
        latencies: Sequence[node_pb2.EdgeLatency],
        proxies: Sequence[node_pb2.ProxyState],
        calls: Sequence[node_pb2.CallCounters] = (),
    ) -> None:
        """Takes the measurements of one report of `node`."""
        if calls:
            self._on_calls(calls)
        now = self._monotonic()
        if edges or latencies:
            self._edges.observe(map(_counters, edges), map(_latency, latencies), now)
            self._edges.forget(now)
        for each in proxies:
            ports = dict(each.listeners)
            self._states[each.proxy] = ProxyState(each.certificate_not_after, each.connected, ports)

    def state(self, proxy: str) -> ProxyState | None:
        """What is known of the proxy `namespace/name`."""
        return self._states.get(proxy)

    def begin(self, proxy: str) -> None:
        """A proxy was registered that nobody knew: its Envoy counts from zero."""
        self._edges.begin(proxy, self._monotonic())

    def forget(self, registered: Container[str]) -> None:
        """Drops the states of proxies that are gone."""
        self._states = {name: state for name, state in self._states.items() if name in registered}

    def demand(self, proxies: Mapping[str, Proxy]) -> Asked:
        """From where destinations are asked, in a mesh that has places; the same object while nothing has changed."""
        zones = {key: zone(proxy.workload.locality) for key, proxy in proxies.items() if proxy.workload.locality.region}
        if zones:
            self._asked = demand(self._edges.asked(self._monotonic(), _LATELY), zones, self._asked)
        return self._asked

    def failures(self, proxies: Iterable[Proxy], window: float) -> tuple[int, int]:
        """Requests that the mesh sent to these in the last `window` seconds, and how many of them failed."""
        endpoints = frozenset(shown(port.listen) for proxy in proxies for port in proxy.inbound)
        return self._edges.failures(self._monotonic(), window, endpoints)

    def edges(self, proxies: Mapping[str, Proxy]) -> tuple[Edge, ...]:
        """The table of edges; `proxies` are all that are registered."""
        parties = {key: _party(proxy) for key, proxy in proxies.items()}
        addresses = dict(_addresses(proxies.values()))
        return self._edges.table(
            self._monotonic(),
            lambda proxy: parties.get(proxy, Party(proxy)),
            lambda endpoint: addresses.get(endpoint, Party(endpoint)),
        )


def _addresses(proxies: Iterable[Proxy]) -> Iterable[tuple[str, Party]]:
    for proxy in proxies:
        for port in proxy.inbound:
            yield shown(port.listen), _party(proxy)


def _party(proxy: Proxy) -> Party:
    labels = dict(proxy.workload.labels)
    service = labels.get("app") or labels.get("app.kubernetes.io/name") or proxy.workload.name
    return Party(service, labels.get("version", ""))


def _counters(row: node_pb2.EdgeCounters) -> Counters:
    totals = (row.requests, row.successes, row.errors, row.connections)
    return Counters(row.proxy, row.cluster, row.endpoint, *totals, row.mtls, row.tls)


def _latency(row: node_pb2.EdgeLatency) -> Latency:
    return Latency(row.proxy, row.cluster, tuple(row.bounds), tuple(row.counts))
