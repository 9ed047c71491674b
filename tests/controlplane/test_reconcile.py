"""From the store to the mesh and back to the operator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from weft.controlplane.reconcile import Reconciler
from weft.controlplane.status import StatusWriter, status
from weft.finding import Finding, Severity
from weft.model.mesh import Change, Settings
from weft.ref import Ref
from weft.store.memory import MemoryStore
from weft.store.store import Delete, Key, Put

SERVICES, ROUTES = "services", "virtualservices.networking.istio.io"


def _service(name: str, port: int = 9080) -> Put:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": port}]},
    }
    return Put(Key(SERVICES, "default", name), body)


def _route(host: str, **extra: Any) -> Put:
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": host, "namespace": "default", "uid": host},
        "spec": {"hosts": [host], "http": [{"route": [{"destination": {"host": host}}], **extra}]},
    }
    return Put(Key(ROUTES, "default", host), body)


class Running:
    """A reconciler on a memory store, and what it published."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.changes: list[Change] = []
        self.published = asyncio.Event()
        self.reconciler = Reconciler(self.store, Settings(), lambda name: None, self._publish)

    def _publish(self, change: Change) -> None:
        self.changes.append(change)
        self.published.set()

    async def until(self, done: Any) -> None:
        """Waits for publications until `done()`."""
        async with asyncio.timeout(5):
            while not done():
                self.published.clear()
                await self.published.wait()


@asynccontextmanager
async def running(*writes: Put) -> AsyncIterator[Running]:
    """A running reconciler that has read `writes`."""
    run = Running()
    if writes:
        await run.store.write(writes)
    await run.reconciler.load()
    task = asyncio.create_task(run.reconciler.run())
    await asyncio.sleep(0)
    try:
        yield run
    finally:
        task.cancel()


async def test_what_is_stored_is_in_the_mesh() -> None:
    """After load, the mesh has every stored service."""
    async with running(_service("reviews"), _service("ratings")) as run:
        hosts = set(run.reconciler.translation.mesh.services)
        assert hosts == {"reviews.default.svc.cluster.local", "ratings.default.svc.cluster.local"}


async def test_a_change_names_the_hosts_it_concerns() -> None:
    """A new VirtualService is published as a change of its host alone."""
    async with running(_service("reviews"), _service("ratings")) as run:
        await run.store.write([_route("reviews")])
        await run.until(lambda: run.changes)
        assert run.changes[0].hosts == {"reviews.default.svc.cluster.local"}
        assert not run.changes[0].everything


async def test_a_burst_is_published_together() -> None:
    """Fifty writes in one transaction cost one publication."""
    async with running() as run:
        await run.store.write([_service(f"s{number}") for number in range(50)])
        await run.until(lambda: len(run.reconciler.translation.mesh.services) == 50)
        assert len(run.changes) == 1


async def test_a_status_is_no_change() -> None:
    """Writing a status concerns nobody."""
    async with running(_service("reviews"), _route("reviews")) as run:
        put = _route("reviews")
        await run.store.write([Put(put.key, {**put.body, "status": {"conditions": []}})])
        await run.store.write([_service("other")])
        await run.until(lambda: "other.default.svc.cluster.local" in run.reconciler.translation.mesh.services)
        assert all("reviews.default.svc.cluster.local" not in change.hosts for change in run.changes)


async def test_a_deleted_resource_is_gone_from_the_mesh() -> None:
    """After a deletion the mesh no longer has what it said."""
    async with running(_service("reviews")) as run:
        await run.store.write([Delete(Key(SERVICES, "default", "reviews"))])
        await run.until(lambda: not run.reconciler.translation.mesh.services)


async def test_broken_objects_are_left_out_alone() -> None:
    """An object that cannot be read says why, and the others are in effect."""
    broken = _route("ratings")
    broken = Put(broken.key, {**broken.body, "spec": {"hosts": "ratings"}})
    async with running(_service("reviews"), broken) as run:
        assert len(run.reconciler.translation.mesh.services) == 1
        assert any(finding.severity is Severity.ERROR for finding in run.reconciler.findings(broken.key))


async def test_a_write_is_judged_before_it_is_made() -> None:
    """What is imagined is said, and nothing has changed after it."""
    async with running(_service("reviews")) as run:
        put = _route("nowhere")
        findings = run.reconciler.imagined([(put.key, put.body)]).findings
        assert {finding.code for finding in findings} == {"unknown-host"}
        assert not run.reconciler.translation.mesh.routes


async def test_findings_are_written_to_the_status() -> None:
    """A route to a missing host says so in its status, and takes it back when the host comes."""
    async with running(_route("reviews")) as run:
        writer = asyncio.create_task(StatusWriter(run.store, run.reconciler, lambda: "2026-01-01T00:00:00Z").run())
        key = Key(ROUTES, "default", "reviews")

        async def messages() -> list[str]:
            stored = await run.store.get(key)
            assert stored is not None
            said = stored.body.get("status", {}).get("validationMessages", [])
            return [message["type"]["name"] for message in said]

        async with asyncio.timeout(5):
            while "unknown-host" not in await messages():
                await asyncio.sleep(0.01)
            await run.store.write([_service("reviews")])
            while await messages():
                await asyncio.sleep(0.01)
        writer.cancel()


def test_an_error_is_not_reconciled() -> None:
    """The condition Reconciled is False exactly when a finding refuses the resource."""
    ref = Ref("networking.istio.io", "VirtualService", "default", "reviews", "spec.hosts")
    error = Finding("wrong-type", Severity.ERROR, ref, "a list is expected")
    assert status([error], {}, "now")["conditions"][0]["status"] == "False"
    assert status([], {}, "now")["conditions"][0]["status"] == "True"
