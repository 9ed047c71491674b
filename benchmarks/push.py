"""What one change costs the control plane, from the store's write to the last proxy's acknowledgement.

    python -m benchmarks.push [--services 1000] [--clients 100,1000] [--json FILE]
    python -m benchmarks.push --api [--clients 100]

Every simulated proxy calls five services, one of them the same for all. Each kind of change is made to that shared service
and to one that few call; then half of the proxies reconnect at once. The peer, in the same run, is grpc.aio alone writing the
same bytes to as many streams. CPU is the control plane's, in a process of its own, its idle rate taken off. `--api` measures
from the answer to what `weft apply` sends until the last acknowledgement instead.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks import push_mesh
from benchmarks.child import Child
from benchmarks.processes import pss_mib, rss_mib
from weft.cli.access import access
from weft.cli.api_client import ApiClient

CALLED = 5
_IDLE = 2.0  # seconds of which the idle CPU is taken
_TYPES = 5  # Envoy resource types that a sidecar asks


@dataclass(frozen=True)
class Row:
    """One change. Times in milliseconds, sizes in bytes; `concerned` proxies were told. `raw_*`: the peer, same bytes."""

    services: int
    clients: int
    change: str
    concerned: int
    last_ack: float
    cpu: float
    bytes_concerned: float
    bytes_other: float
    raw_last_ack: float = 0.0
    raw_cpu: float = 0.0


@dataclass(frozen=True)
class Memory:
    """The control plane's, in MiB, and the CPU seconds in which it read the whole mesh."""

    services: int
    clients: int
    load: float
    rss_empty: float
    rss: float
    pss: float
    idle: float  # CPU milliseconds a second


class Round:
    """One size of the mesh, running."""

    def __init__(self, services: int, clients: int, plane: Child, proxies: Child, raw: Child) -> None:
        self.services, self.clients = services, clients
        self._plane, self._proxies, self._raw = plane, proxies, raw
        self._idle = 0.0  # CPU seconds a second

    def settle(self) -> Memory:
        """Connects everybody."""
        started = self._plane.ask("started")
        empty = rss_mib(self._plane.pid)
        self._proxies.ask("open", address=started["address"], clients=self.clients, services=self.services, each=CALLED)
        self._plane.ask("synced", clients=self.clients, types=_TYPES)
        before = self._cpu()
        time.sleep(_IDLE)
        self._idle = (self._cpu() - before) / _IDLE
        pid = self._plane.pid
        return Memory(self.services, self.clients, started["load"], empty, rss_mib(pid), pss_mib(pid), self._idle * 1000)

    def _cpu(self) -> float:
        return float(self._plane.ask("usage")["cpu"])

    def change(self, name: str, objects: Sequence[push_mesh.Body]) -> Row:
        """Writes `objects`, and waits until all are quiet."""
        before = self._proxies.ask("received")
        start, cpu = time.monotonic(), self._cpu()
        returned = self._plane.ask("write", objects=objects)
        self._proxies.ask("quiet")
        cpu = self._cpu() - cpu - self._idle * (time.monotonic() - start)
        return self._row(name, before, returned, cpu)

    def _row(self, name: str, before: list[list[int]], since: float, cpu: float) -> Row:
        last = self._plane.ask("last_ack")
        after = self._messages(before)
        told = [size for count, size in after if count]
        row = Row(
            self.services,
            self.clients,
            name,
            len(told),
            max(last - since, 0.0) * 1000 if told else 0.0,
            cpu * 1000,
            statistics.mean(told) if told else 0.0,
            statistics.mean([0.0, *(size for count, size in after if not count)]),
        )
        if not told:
            return row
        messages = self._proxies.ask("record", client=next(i for i, (count, _) in enumerate(after) if count))
        seconds, raw_cpu = min(self._raw.ask("push", messages=messages, streams=len(told)) for _ in range(3))
        return Row(**{**asdict(row), "raw_last_ack": seconds * 1000, "raw_cpu": raw_cpu * 1000})

    def _messages(self, before: list[list[int]]) -> list[tuple[int, int]]:
        """Responses and bytes since then. Reading the counters must not clear the record: it is asked first."""
        after = self._proxies.ask("counts")
        return [(now[0] - then[0], now[1] - then[1]) for now, then in zip(after, before, strict=True)]

    def reconnect(self, name: str, count: int, missed: Sequence[push_mesh.Body] = ()) -> Row:
        """`count` proxies go, miss a change, and come back all at once."""
        self._proxies.ask("drop", count=count)
        if missed:
            self._plane.ask("write", objects=missed)
        self._proxies.ask("quiet")
        before = self._proxies.ask("received")
        start, cpu = time.monotonic(), self._cpu()
        since = self._proxies.ask("reopen", count=count)
        synced = self._plane.ask("synced", clients=count, types=_TYPES)
        self._proxies.ask("quiet")
        cpu = self._cpu() - cpu - self._idle * (time.monotonic() - start)
        after = self._messages(before)
        size = statistics.mean(size for _, size in after[:count])
        return Row(self.services, self.clients, name, count, (synced - since) * 1000, cpu * 1000, size, 0.0)


def changes(services: int) -> Iterator[tuple[str, Callable[[int], Sequence[push_mesh.Body]]]]:
    """Each kind of change, to what few call and to what all call; the function makes a new one of the kind each time."""
    for who, service, number in (("few", push_mesh.name(1), 1), ("all", push_mesh.SHARED, 0)):
        yield f"endpoint health, {who}", partial(_health, service, number)
        yield f"route weight, {who}", partial(_weight, service)
    yield "new service", lambda i: list(push_mesh.service(push_mesh.name(services + i), services + i))


def _health(service: str, number: int, i: int) -> Sequence[push_mesh.Body]:
    return [push_mesh.workload(service, number, 1, healthy=i % 2 == 1)]


def _weight(service: str, i: int) -> Sequence[push_mesh.Body]:
    return [push_mesh.weights(service, 80 - i)]


def measured(services: int, clients: int, repeat: int, profile: str) -> tuple[Memory, list[Row]]:
    """One size of the mesh; of each kind of change the median by CPU of `repeat`."""
    with (
        Child("benchmarks.push_control_plane", services=services, clients=clients) as plane,
        Child("benchmarks.push_clients") as proxies,
        Child("benchmarks.push_clients") as raw_clients,
        Child("benchmarks.raw_fan_out") as raw,
    ):
        raw_clients.ask("open_raw", address=raw.ask("address"), clients=clients)
        raw.ask("connected", streams=clients)
        round_ = Round(services, clients, plane, proxies, raw)
        memory = round_.settle()
        rows = []
        for name, objects in changes(services):
            if profile and profile in name:
                plane.ask("profile")
            rows.append(_median([round_.change(name, objects(i)) for i in range(repeat)]))
            if profile and profile in name:
                plane.ask("profiled", path="push.profile", count=45)
        half = clients // 2
        if profile == "reconnect":
            plane.ask("profile")
        rows.append(_median([round_.reconnect(f"{half} reconnect", half) for _ in range(repeat)]))
        if profile == "reconnect":
            plane.ask("profiled", path="push.profile", count=45)
        missed = [push_mesh.weights(push_mesh.SHARED, 10)]
        rows.append(round_.reconnect(f"{half} reconnect, a change missed", half, missed))
        if trouble := proxies.ask("trouble"):
            raise RuntimeError(f"an Envoy would have failed requests: {trouble[:3]}")
        return memory, rows


def _median(rows: list[Row]) -> Row:
    return sorted(rows, key=lambda row: row.cpu)[len(rows) // 2]


def measured_api(services: int, clients: int, count: int) -> dict[str, float]:
    """Milliseconds from the answer of an apply over HTTPS to the last acknowledgement of all proxies it concerns."""
    with (
        Child("benchmarks.push_control_plane", services=services, clients=clients) as plane,
        Child("benchmarks.push_clients") as proxies,
    ):
        started = plane.ask("started")
        proxies.ask("open", address=started["address"], clients=clients, services=services, each=CALLED)
        plane.ask("synced", clients=clients, types=_TYPES)
        times, requests = [], []
        with ApiClient(access(Path(started["kubeconfig"])), timeout=30) as api:
            for i in range(count):
                body = push_mesh.weights(push_mesh.SHARED, 1 + i % 99)
                start = time.monotonic()
                answer = api.request("POST", "/weft/v1/apply", {"objects": [body]})
                returned = time.monotonic()
                assert answer["applied"]
                proxies.ask("quiet")
                times.append(max(plane.ask("last_ack") - returned, 0.0) * 1000)
                requests.append((returned - start) * 1000)
    return {
        "services": services,
        "clients": clients,
        "changes": count,
        "p50": statistics.median(times),
        "p99": _p99(times),
        "worst": max(times),
        "apply_p50": statistics.median(requests),
        "apply_p99": _p99(requests),
    }


def _p99(times: list[float]) -> float:
    return sorted(times)[max(len(times) * 99 // 100 - 1, 0)]


def report(memory: Memory, rows: Sequence[Row]) -> None:
    """One table."""
    print(
        f"\n{memory.services} services, {memory.clients} proxies: read in {memory.load:.1f} s of CPU, RSS"
        f" {memory.rss_empty:.0f} MiB without and {memory.rss:.0f} MiB with the proxies (PSS {memory.pss:.0f}),"
        f" idle {memory.idle:.1f} ms of CPU a second"
    )
    head = f"{'change':32} {'told':>5} {'last ACK ms':>12} {'CPU ms':>8} {'bytes each':>11} {'bytes others':>13}"
    print(f"{head}   raw grpc.aio: {'ms':>6} {'CPU ms':>7}   ratio: time  CPU")
    for row in rows:
        text = f"{row.change:32} {row.concerned:5} {row.last_ack:12.1f} {row.cpu:8.1f}"
        text += f" {row.bytes_concerned:11.0f} {row.bytes_other:13.0f}"
        if row.raw_last_ack:
            text += f"{row.raw_last_ack:23.1f} {row.raw_cpu:7.1f}"
            text += f"{row.last_ack / row.raw_last_ack:15.1f} {row.cpu / row.raw_cpu:4.1f}"
        print(text, flush=True)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--services", type=_numbers, default=(1000,))
    parser.add_argument("--clients", type=_numbers, default=(100,))
    parser.add_argument("--repeat", type=int, default=5, help="changes of each kind; the median by CPU is shown")
    parser.add_argument("--api", action="store_true", help="from an apply over HTTPS, 100 changes")
    parser.add_argument("--changes", type=int, default=100, help="with --api")
    parser.add_argument("--json", type=Path, default=None, help="also write the results here")
    parser.add_argument("--profile", default="", help="profile changes whose name has this in it, into push.profile")
    options = parser.parse_args()
    results: list[dict[str, object]] = []
    for services in options.services:
        for clients in options.clients:
            if options.api:
                found = measured_api(services, clients, options.changes)
                results.append(dict(found))
                print(" ".join(f"{name}={value:.6g}" for name, value in found.items()), flush=True)
            else:
                memory, rows = measured(services, clients, options.repeat, options.profile)
                report(memory, rows)
                results.append({"memory": asdict(memory), "changes": [asdict(row) for row in rows]})
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    main()
