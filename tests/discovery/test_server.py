"""The registration stream, over the wire."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from ca.mesh_authority import GRANTS, MeshAuthority, mesh_authority

from weft.discovery.node_report import InvalidWorkload, proxy
from weft.discovery.registry import Registry, RegistrySettings
from weft.discovery.server import RegistryServicer
from weft.discovery.workload_entry import RESOURCE, key
from weft.model.endpoint import Health, locality
from weft.model.workload import Address, InboundPort, Proxy, Upstream, Workload
from weft.proto import node_pb2, node_pb2_grpc
from weft.store.memory import MemoryStore


@dataclass(slots=True)
class Told:
    """What telemetry was told."""

    proxies: list[str] = field(default_factory=list)
    port: int = 1  # of every group's probe

    def probes(self, groups: frozenset[str]) -> node_pb2.Probes:
        """What groups say of checks."""
        return node_pb2.Probes(groups={one: node_pb2.Probe(way="tcp", port=self.port) for one in groups})

    def observe(
        self, node: str, edges: Sequence[Any], latencies: Sequence[Any], proxies: Sequence[Any], calls: Sequence[Any]
    ) -> None:
        """Remembers whom it was about."""
        self.proxies += [one.proxy for one in (*edges, *latencies, *proxies, *calls)]


@dataclass(slots=True)
class Mesh:
    """A control plane as agents see it."""

    authority: MeshAuthority
    registry: Registry
    servicer: RegistryServicer
    store: MemoryStore
    told: Told

    @asynccontextmanager
    async def stream(self, node: str = "web") -> AsyncIterator[Any]:
        """An agent's stream."""
        async with self.authority.channel(self.authority.nodes.port, self.authority.node(node)) as channel:
            call = node_pb2_grpc.RegistryStub(channel).Register()
            yield call
            call.cancel()

    async def names(self) -> list[str]:
        """The registered workloads in the store."""
        return [f"{one.key.namespace}/{one.key.name}" for one in (await self.store.list(RESOURCE))[0]]


@asynccontextmanager
async def mesh(folder: Path, settings: RegistrySettings = RegistrySettings()) -> AsyncIterator[Mesh]:
    """A registry behind the node server."""
    store, told = MemoryStore(), Told()
    registry = Registry(store, GRANTS, settings)
    servicers: list[RegistryServicer] = []

    def services(peers: Any) -> Iterable[Any]:
        servicers.append(RegistryServicer(registry, peers, told, b"roots", probes=told.probes))
        yield lambda server: node_pb2_grpc.add_RegistryServicer_to_server(servicers[0], server)

    async with mesh_authority(folder, more=services) as authority:
        await registry.start()
        running = asyncio.create_task(registry.run())
        yield Mesh(authority, registry, servicers[0], store, told)
        running.cancel()


def workload(name: str, namespace: str = "default", account: str = "reviews", **more: Any) -> node_pb2.Workload:
    """A reported workload."""
    return node_pb2.Workload(namespace=namespace, name=name, service_account=account, **more)


def report(sequence: int, *upsert: node_pb2.Workload, **more: Any) -> node_pb2.NodeReport:
    """A report."""
    return node_pb2.NodeReport(sequence=sequence, upsert=upsert, **more)


async def test_a_conversation(tmp_path: Path) -> None:
    """Complete report, bundle once, heartbeat, change, removal: each answered when it is in effect."""
    async with mesh(tmp_path) as running, running.stream() as call:
        await call.write(report(1, workload("r-0"), workload("r-1"), complete=True))
        assert await call.read() == node_pb2.NodeReply(sequence=1, bundle=b"roots")
        assert await running.names() == ["default/r-0", "default/r-1"]
        await call.write(report(2))
        assert await call.read() == node_pb2.NodeReply(sequence=2)
        await call.write(report(3, remove=["default/r-0"]))
        assert await call.read() == node_pb2.NodeReply(sequence=3)
        assert await running.names() == ["default/r-1"]
        await running.servicer.publish_bundle(b"new roots")
        assert await call.read() == node_pb2.NodeReply(sequence=3, bundle=b"new roots")


async def test_an_agent_is_told_the_probes_of_the_groups_that_it_names(tmp_path: Path) -> None:
    """With the report that names a group, again when the group says something else, and not otherwise."""
    async with mesh(tmp_path) as running, running.stream() as call:
        await call.write(report(1, workload("r-0", workload_group="vms"), complete=True))
        first = running.told.probes(frozenset({"default/vms"}))
        assert await call.read() == node_pb2.NodeReply(sequence=1, bundle=b"roots", probes=first)
        stored = await running.store.get(key("default/r-0"))
        assert stored and stored.body["metadata"]["annotations"] == {"istio.io/autoRegistrationGroup": "vms"}
        await running.servicer.publish_words()
        running.told.port = 2
        await running.servicer.publish_words()
        assert await call.read() == node_pb2.NodeReply(sequence=1, probes=running.told.probes(frozenset({"default/vms"})))
        await call.write(report(2, remove=["default/r-0"]))
        assert await call.read() == node_pb2.NodeReply(sequence=2, probes=node_pb2.Probes())


async def test_a_refused_workload_is_told_and_logged_once_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not granted, and not even a name."""
    async with mesh(tmp_path) as running, running.stream() as call:
        for sequence in range(1, 4):
            bad = workload("x", account="root"), workload("../etc"), workload("y", labels={"a b": "c"})
            await call.write(report(sequence, workload("r-0"), *bad, complete=sequence == 1))
            refused = (await call.read()).refused
            assert "default/x: the node web is not granted default/root" in refused
            assert "not a name: '../etc'" in refused and "not a label: 'a b'" in refused
        assert await running.names() == ["default/r-0"]
    lines = [one.getMessage() for one in caplog.records if "event=refused" in one.getMessage()]
    assert len(lines) == 3 and all('peer="web"' in line for line in lines)


async def test_a_broken_stream_ends_the_lease_and_a_silent_one_is_ended(tmp_path: Path) -> None:
    """Gone within the time that is set; a silent agent is told to come again."""
    async with mesh(tmp_path, RegistrySettings(lease=1.5, broken=0.5)) as running:
        async with running.stream() as call:
            await call.write(report(1, workload("r-0"), complete=True))
            await call.read()
            assert await asyncio.wait_for(call.code(), 4) is grpc.StatusCode.ABORTED
            assert await running.names() == []
        async with running.stream() as call:
            await call.write(report(1, workload("r-0"), complete=True))
            await call.read()
        await asyncio.sleep(1.2)
        assert await running.names() == []


async def test_a_newer_stream_of_a_node_replaces_the_older(tmp_path: Path) -> None:
    """And the end of the older one costs nothing."""
    async with mesh(tmp_path, RegistrySettings(broken=0.3)) as running, running.stream() as old:
        await old.write(report(1, workload("r-0"), complete=True))
        await old.read()
        async with running.stream() as new:
            await new.write(report(1, workload("r-1"), complete=True))
            await new.read()
            assert await old.code() is grpc.StatusCode.ABORTED
            await asyncio.sleep(0.8)
            assert await running.names() == ["default/r-1"]


async def test_a_stream_begins_with_everything(tmp_path: Path) -> None:
    """Otherwise nobody knew what to remove."""
    async with mesh(tmp_path) as running, running.stream() as call:
        await call.write(report(1, workload("r-0")))
        assert await call.code() is grpc.StatusCode.ABORTED
        assert await running.names() == []


async def test_what_a_node_counted_is_passed_on_for_its_own_workloads_only(tmp_path: Path) -> None:
    """A node cannot speak for another's."""
    async with mesh(tmp_path) as running, running.stream() as call:
        edges = [node_pb2.EdgeCounters(proxy=name) for name in ("default/r-0", "data/db-0")]
        states = [node_pb2.ProxyState(proxy="default/r-0"), node_pb2.ProxyState(proxy="data/db-0")]
        calls = [node_pb2.CallCounters(proxy=name) for name in ("default/r-0", "data/db-0")]
        await call.write(report(1, workload("r-0"), complete=True, edges=edges, proxies=states, calls=calls))
        await call.read()
        assert running.told.proxies == ["default/r-0"] * 3


def test_a_reported_workload_becomes_a_proxy() -> None:
    """Everything that the compile room needs to know of it."""
    address = node_pb2.Address(host="127.0.0.1", port=1)
    port = node_pb2.InboundPort(name="http", number=9080, protocol="http", listen=address, application=address)
    message = workload(
        "r-0", labels={"b": "2", "a": "1"}, locality="eu/a", health=node_pb2.DRAINING, http_proxy=address, inbound=[port],
        upstreams=[node_pb2.Upstream(host="db", port=5432, listen=address)], envoy_version="1.40.0",
    )  # fmt: skip
    here = Address("127.0.0.1", 1)
    who = Workload("default", "r-0", "reviews", (("a", "1"), ("b", "2")), locality("eu/a"), health=Health.DRAINING)
    inbound = (InboundPort("http", 9080, "http", here, here),)
    assert proxy(message) == Proxy(who, False, here, inbound, (Upstream("db", 5432, here),), envoy_version="1.40.0")


@pytest.mark.parametrize(
    "message",
    [
        workload(""),
        workload("a/b"),
        workload("r-0", namespace="De"),
        workload("r-0", account="a b"),
        workload("r-0", http_proxy=node_pb2.Address(host="reviews", port=1)),
        workload("r-0", http_proxy=node_pb2.Address(host="::1", port=70000)),
        workload("r-0", gateway_host="*"),
        workload("r-0", inbound=[node_pb2.InboundPort(name="a", number=0)]),
    ],
)
def test_a_workload_that_makes_no_sense_is_named(message: node_pb2.Workload) -> None:
    """Names, addresses and ports are checked before anything else sees them."""
    with pytest.raises(InvalidWorkload):
        proxy(message)
