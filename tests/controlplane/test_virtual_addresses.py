"""Virtual addresses of ServiceEntries, as they are written to their statuses."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from weft.controlplane.reconcile import Reconciler
from weft.controlplane.status import StatusWriter
from weft.model.mesh import Change, Settings
from weft.model.virtual_address import HTTP, OPAQUE
from weft.store.memory import MemoryStore
from weft.store.store import Delete, Key, Put

ENTRIES = "serviceentries.networking.istio.io"
WEB = ({"number": 80, "name": "http", "protocol": "HTTP"},)
DATA = ({"number": 5432, "name": "tcp", "protocol": "TCP"},)


def _entry(name: str, *hosts: str, ports: Iterable[Mapping[str, Any]] = WEB, off: bool = False, **spec: Any) -> Put:
    labels = {"networking.istio.io/enable-autoallocate-ip": "false"} if off else {}
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": labels},
        "spec": {"hosts": list(hosts), "ports": list(ports), "resolution": "DNS", **spec},
    }
    return Put(Key(ENTRIES, "default", name), body)


class Mesh:
    """A store whose statuses are written."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.reconciler = Reconciler(store, Settings(), lambda name: None, self._publish)

    def _publish(self, change: Change) -> None:
        pass

    async def addresses(self, name: str, *, many: int = 2) -> list[tuple[str, str]]:
        """Host and value of each address of an entry, once there are so many and the mesh has them."""
        async with asyncio.timeout(5):
            while True:
                stored = await self.store.get(Key(ENTRIES, "default", name))
                assert stored is not None
                found = [(one["host"], one["value"]) for one in stored.body.get("status", {}).get("addresses", ())]
                if len(found) == many and self.reconciler.revision == await self.store.revision():
                    return found
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(store: MemoryStore, *writes: Put) -> AsyncIterator[Mesh]:
    """A control plane's reconciler and status writer on `store`, which has `writes`."""
    mesh = Mesh(store)
    if writes:
        await store.write(writes)
    await mesh.reconciler.load()
    tasks = [
        asyncio.create_task(mesh.reconciler.run()),
        asyncio.create_task(StatusWriter(store, mesh.reconciler, lambda: "2026-01-01T00:00:00Z").run()),
    ]
    try:
        yield mesh
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_each_host_gets_an_address_of_each_family_by_what_is_spoken() -> None:
    """HTTP alone is of one range, everything else of the other; the mesh knows the services by these addresses."""
    async with running(
        MemoryStore(), _entry("web", "a.example.com", "b.example.com"), _entry("db", "c.example.com", ports=DATA)
    ) as mesh:
        web, data = await mesh.addresses("web", many=4), await mesh.addresses("db")
        assert [host for host, _ in web] == ["a.example.com", "a.example.com", "b.example.com", "b.example.com"]
        assert all(address in HTTP for _, address in web) and all(address in OPAQUE for _, address in data)
        assert len({address for _, address in web + data}) == 6
        known = mesh.reconciler.translation.mesh.addresses
        assert {known[address][0][0] for _, address in web} == {"a.example.com", "b.example.com"}


async def test_ports_of_both_kinds_are_passed_as_bytes() -> None:
    """An entry with an HTTP and a TCP port has opaque addresses, and gets others when the TCP port goes."""
    async with running(MemoryStore(), _entry("mixed", "m.example.com", ports=(*WEB, *DATA))) as mesh:
        assert all(address in OPAQUE for _, address in await mesh.addresses("mixed"))
        await mesh.store.write([_entry("mixed", "m.example.com")])
        assert all(address in HTTP for _, address in await mesh.addresses("mixed"))


async def test_some_entries_get_none() -> None:
    """Wildcards, addresses of their own, resolution NONE and the label get none."""
    entries = (
        _entry("wild", "*.example.com", resolution="DYNAMIC_DNS"),
        _entry("own", "own.example.com", addresses=["10.1.1.1"]),
        _entry("none", "none.example.com", resolution="NONE"),
        _entry("off", "off.example.com", off=True),
    )
    async with running(MemoryStore(), *entries, _entry("zz", "zz.example.com")) as mesh:
        await mesh.addresses("zz")
        for name in ("wild", "own", "none", "off"):
            assert await mesh.addresses(name, many=0) == []


async def test_addresses_outlive_the_control_plane() -> None:
    """After a restart each entry has what it had, also where a new one would like it."""
    store = MemoryStore()
    async with running(store, _entry("a", "one.example.com")) as mesh:
        before = await mesh.addresses("a")
    elsewhere = [{"host": "two.example.com", "value": value} for _, value in before]
    thief = _entry("0-thief", "two.example.com")
    thief = Put(thief.key, {**thief.body, "metadata": {**thief.body["metadata"], "creationTimestamp": "2026-02-01T00:00:00Z"},
                            "status": {"addresses": elsewhere}})  # fmt: skip
    async with running(store, thief) as mesh:
        assert await mesh.addresses("a") == before
        async with asyncio.timeout(5):
            while {value for _, value in await mesh.addresses("0-thief")} & {value for _, value in before}:
                await asyncio.sleep(0.01)


async def test_a_deleted_entry_frees_its_addresses() -> None:
    """A name that comes again has the addresses that it had, and one that asks for none any more loses them."""
    async with running(MemoryStore(), _entry("a", "one.example.com")) as mesh:
        before = await mesh.addresses("a")
        await mesh.store.write([Delete(Key(ENTRIES, "default", "a"))])
        await asyncio.sleep(0.05)
        await mesh.store.write([_entry("b", "one.example.com")])
        assert await mesh.addresses("b") == before
        put = _entry("b", "one.example.com", off=True)
        stored = await mesh.store.get(put.key)
        assert stored is not None
        await mesh.store.write([Put(put.key, {**put.body, "status": stored.body["status"]})])
        assert await mesh.addresses("b", many=0) == []
