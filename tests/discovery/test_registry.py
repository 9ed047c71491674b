"""The registry and its store."""

import asyncio
from collections.abc import Sequence
from typing import Any

from weft.ca.attestation import NodeGrants
from weft.discovery.agents import Report
from weft.discovery.registry import Registry, RegistrySettings
from weft.discovery.workload_entry import RESOURCE, key, node_of
from weft.store.memory import MemoryStore
from weft.store.store import Delete, Put

from .test_agents import proxy

GRANTS = NodeGrants({"n": frozenset({("default", "*")}), "m": frozenset({("default", "reviews")}), "o": frozenset()})


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def names(store: MemoryStore) -> list[str]:
    """The entries in the store."""
    return [one.key.name for one in (await store.list(RESOURCE))[0]]


async def passed(registry: Registry, clock: Clock, seconds: float, alive: Sequence[str] = ()) -> None:
    """Time goes by in steps of half a second, with heartbeats of who is alive."""
    for _ in range(int(seconds * 2)):
        clock.now += 0.5
        for node in alive:
            registry.heard(node)
        await registry.expire()


def operators_entry(name: str) -> Put:
    """A WorkloadEntry that no agent wrote."""
    body: dict[str, Any] = {"metadata": {"namespace": "default", "name": name}, "spec": {"address": "10.0.0.1"}}
    return Put(key(f"default/{name}"), body)


async def test_a_report_is_in_the_store_when_it_returns_and_heartbeats_write_nothing() -> None:
    """Only changes cost a write."""
    store = MemoryStore()
    registry = Registry(store, GRANTS)
    await registry.report("n", Report((proxy("r-0"), proxy("r-1")), complete=True))
    assert await names(store) == ["r-0", "r-1"]
    revision = await store.revision()
    await registry.report("n", Report())
    await registry.report("n", Report((proxy("r-0"),)))
    assert await store.revision() == revision and registry.node_of("default/r-0") == "n"


async def test_a_node_that_falls_silent_loses_its_endpoints_and_no_other_does() -> None:
    """Ten seconds after its last heartbeat."""
    store, clock = MemoryStore(), Clock()
    ended = list[str]()
    registry = Registry(store, GRANTS, monotonic=clock, on_expired=ended.extend)
    await registry.report("n", Report((proxy("r-0"),), complete=True))
    await registry.report("m", Report((proxy("r-1"),), complete=True))
    await passed(registry, clock, 9.5, ["m"])
    assert await names(store) == ["r-0", "r-1"]
    await passed(registry, clock, 1, ["m"])
    assert await names(store) == ["r-1"] and ended == ["n"] and registry.proxy("default/r-0") is None


async def test_a_broken_stream_costs_three_seconds_and_a_new_one_restores_all() -> None:
    """An agent that is restarted in time loses nothing."""
    store, clock = MemoryStore(), Clock()
    registry = Registry(store, GRANTS, monotonic=clock)
    await registry.report("n", Report((proxy("r-0"),), complete=True))
    registry.left("n")
    await passed(registry, clock, 2)
    revision = await store.revision()
    await registry.report("n", Report((proxy("r-0"),), complete=True))
    await passed(registry, clock, 5)
    assert await store.revision() == revision
    registry.left("n")
    await passed(registry, clock, 3)
    assert await names(store) == []


async def test_a_restarted_control_plane_keeps_endpoints_until_their_agents_are_back() -> None:
    """A fresh lease for what is in the store; what does not come back goes."""
    store, clock = MemoryStore(), Clock()
    await Registry(store, GRANTS).report("n", Report((proxy("r-0"), proxy("r-1")), complete=True))
    await Registry(store, GRANTS).report("m", Report((proxy("r-2"),), complete=True))
    await store.write([operators_entry("vm")])
    registry = Registry(store, GRANTS, monotonic=clock)
    await registry.start()
    assert registry.node_of("default/r-2") == "m" and registry.proxies == {}
    await passed(registry, clock, 5)
    revision = await store.revision()
    await registry.report("n", Report((proxy("r-0"), proxy("r-1")), complete=True))
    assert await store.revision() == revision
    await passed(registry, clock, 6, ["n"])
    assert await names(store) == ["r-0", "r-1", "vm"]


async def test_a_process_that_stood_still_gives_everybody_time_to_come_back() -> None:
    """After a suspend of everything no endpoint is lost."""
    store, clock = MemoryStore(), Clock()
    registry = Registry(store, GRANTS, monotonic=clock)
    await registry.report("n", Report((proxy("r-0"),), complete=True))
    await passed(registry, clock, 1)
    clock.now += 3600
    await registry.expire()
    await passed(registry, clock, 9)
    assert await names(store) == ["r-0"]


async def test_what_is_not_granted_is_refused_and_the_rest_goes_on() -> None:
    """By namespace and service account; also for a node nobody knows."""
    store = MemoryStore()
    registry = Registry(store, GRANTS)
    refused = await registry.report("m", Report((proxy("r-0"), proxy("r-1", "data")), complete=True))
    assert refused == {"data/r-1": "data/r-1: the node m is not granted data/reviews"} and await names(store) == ["r-0"]
    for node in ("o", "stranger"):
        assert list(await registry.report(node, Report((proxy("r-9"),), complete=True))) == ["default/r-9"]


async def test_a_grant_that_is_taken_back_takes_the_workloads_with_it() -> None:
    """Whoever may no longer run must not be called."""
    store, table = MemoryStore(), {"n": frozenset({("default", "*")})}
    registry = Registry(store, NodeGrants(table))
    await registry.report("n", Report((proxy("r-0"),), complete=True))
    table["n"] = frozenset({("default", "other")})
    await registry.recheck()
    assert await names(store) == []


async def test_a_node_has_a_bounded_number_of_workloads() -> None:
    """One bad agent cannot fill the store."""
    registry = Registry(MemoryStore(), GRANTS, RegistrySettings(workloads=2))
    refused = await registry.report("n", Report(tuple(proxy(f"r-{number}") for number in range(4)), complete=True))
    assert list(refused) == ["default/r-2", "default/r-3"] and len(registry.proxies) == 2
    assert await registry.report("n", Report((proxy("r-0"),))) == {}


async def test_an_operators_entry_of_the_same_name_is_never_overwritten() -> None:
    """The workload is refused until the name is free."""
    store = MemoryStore()
    await store.write([operators_entry("r-0")])
    registry = Registry(store, GRANTS)
    refused = await registry.report("n", Report((proxy("r-0"), proxy("r-1")), complete=True))
    assert refused == {"default/r-0": "default/r-0 is a WorkloadEntry that somebody else wrote"}
    stored = await store.get(key("default/r-0"))
    assert stored and node_of(stored.body) == "" and await names(store) == ["r-0", "r-1"]
    await store.write([operators_delete("r-0")])
    assert await registry.report("n", Report((proxy("r-0"),))) == {}


def operators_delete(name: str) -> Delete:
    """`kubectl delete`."""
    return Delete(key(f"default/{name}"))


async def test_an_entry_that_an_operator_deleted_can_still_go_and_come() -> None:
    """The store decides, not what we remember."""
    store = MemoryStore()
    registry = Registry(store, GRANTS)
    await registry.report("n", Report((proxy("r-0"), proxy("r-1")), complete=True))
    await store.write([operators_delete("r-0")])
    await registry.report("n", Report(remove=("default/r-0", "default/r-1")))
    assert await names(store) == [] and registry.proxies == {}


async def test_who_waits_for_a_proxy_gets_it_when_it_is_registered_and_nobody_waits_for_ever() -> None:
    """An Envoy's stream may be here before its registration."""
    registry = Registry(MemoryStore(), GRANTS)
    changes = list[frozenset[str]]()
    end = registry.subscribe(changes.append)
    waiting = asyncio.create_task(registry.wait_for("default/r-0", 5))
    assert await registry.wait_for("default/r-1", 0.05) is None
    await registry.report("n", Report((proxy("r-0"),), complete=True))
    assert await waiting == proxy("r-0") == await registry.wait_for("default/r-0", 0)
    end()
    await registry.report("n", Report(remove=("default/r-0",)))
    assert changes == [{"default/r-0"}]
