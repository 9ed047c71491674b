"""A control plane's judges on a memory store, with a real canary."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from weft.controlplane.admission import Judge
from weft.controlplane.api.admission import Admission
from weft.controlplane.canary.canary import Canary
from weft.controlplane.quarantine import Quarantine
from weft.controlplane.reconcile import Reconciler
from weft.controlplane.touched import sidecar
from weft.envoy.binary import binary
from weft.finding import Finding, Severity
from weft.model.mesh import Change, Settings
from weft.resource.kinds import by_kind
from weft.store.memory import MemoryStore
from weft.store.store import Key, Put

Json = Mapping[str, Any]
HOST = "reviews"
TO_REVIEWS: Json = {"route": [{"destination": {"host": HOST}}]}
BAD_VALUE = "%METADATA(NONSENSE:x)%"
BAD_ROUTE: Json = {**TO_REVIEWS, "headers": {"request": {"set": {"a": BAD_VALUE}}}}
ENVOYS_WORDS = "NONSENSE is not supported type of metadata"


def body(kind: str, name: str, spec: Json, version: str = "networking.istio.io/v1") -> Json:
    """An object of the namespace `default`."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "default", "uid": name}, "spec": spec}


def service(name: str = HOST) -> Json:
    """A service with one HTTP port."""
    return body("Service", name, {"selector": {"app": name}, "ports": [{"name": "http", "port": 9080}]}, "v1")


def virtual_service(*http: Json, name: str = HOST, **spec: Any) -> Json:
    """The rules of the service of that name."""
    return body("VirtualService", name, {"hosts": [HOST], "http": list(http), **spec})


def destination_rule(policy: Json, **spec: Any) -> Json:
    """The policy of reviews."""
    return body("DestinationRule", HOST, {"host": HOST, "trafficPolicy": policy, **spec})


def put(of: Json, revision: int | None = None) -> Put:
    """A write of an object."""
    kind = by_kind(of["apiVersion"], of["kind"])
    assert kind
    return Put(Key(kind.resource, of["metadata"]["namespace"], of["metadata"]["name"]), of, revision)


class Judged:
    """A reconciler with everything that judges."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.changes: list[Change] = []
        self.reconciler = Reconciler(self.store, Settings(), lambda name: sidecar("default", ()), self.changes.append)
        self.canary = Canary(binary())
        self.quarantine = Quarantine(self.canary, self.reconciler, lambda: ())
        self._judge = Judge(self.reconciler, self.canary)

    async def errors(self, *objects: Json) -> list[Finding]:
        """What forbids these objects, written together."""
        admissions = [Admission(kind, None, each) for each in objects if (kind := by_kind(each["apiVersion"], each["kind"]))]
        return [each for each in await self._judge.admit(admissions) if each.severity is Severity.ERROR]

    async def write(self, *objects: Json) -> None:
        """Writes them past all judges, and waits until the reconciler has seen it."""
        await self.store.write([put(each) for each in objects])
        _, revision = await self.store.list()
        async with asyncio.timeout(5):
            while self.reconciler.revision < revision:
                await asyncio.sleep(0.005)

    def said(self, of: Json) -> list[Finding]:
        """What its status would say."""
        return list(self.reconciler.findings(put(of).key))


@asynccontextmanager
async def judged(*stored: Json) -> AsyncIterator[Judged]:
    """One that has read `stored`, which nobody judged."""
    run = Judged()
    await run.store.write([put(each) for each in stored])
    await run.reconciler.load()
    tasks = [asyncio.create_task(part) for part in (run.canary.run(), run.reconciler.run())]
    await asyncio.sleep(0)
    try:
        yield run
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
