"""From the store to the proxies: every change is decoded, translated into the next mesh, and published.

The first change goes out at once; what arrives while it is translated goes out together next. There is no debounce.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from weft.compile.snapshot import Cache, snapshot
from weft.finding import Finding, Severity
from weft.model.mesh import Change, Mesh, Settings
from weft.model.workload import Proxy
from weft.ref import Ref
from weft.resource.decode import decode
from weft.resource.kinds import KINDS, by_plural
from weft.resource.large import is_large
from weft.resource.resource import Resource
from weft.store.store import Event, EventType, Gone, Key, Store, Stored
from weft.telemetry.demand import Asked
from weft.translate.gateway_api.status import Status
from weft.translate.mesh import Translation, advance, translation
from weft.xds.snapshots import Snapshot

Publish = Callable[[Change], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """One stored object as it was understood: None when it is of a kind that says nothing about traffic or is broken.

    `essence` is the part of its body that configures: equal essences are read once.
    """

    resource: Resource | None
    findings: tuple[Finding, ...]
    essence: tuple[Any, ...]


def reading(stored: Stored, last: Reading | None = None) -> Reading:
    """`stored`, decoded; `last` itself when nothing that configures has changed since."""
    essence = _essence(stored)
    if last is not None and last.essence == essence:
        return last
    plural, _, group = stored.key.resource.partition(".")
    if by_plural(group, plural) is None:
        return Reading(None, (), essence)
    decoded = decode(stored.body)
    if any(finding.severity is Severity.ERROR for finding in decoded.findings):
        return Reading(None, tuple(decoded.findings), essence)
    return Reading(decoded.resource, tuple(decoded.findings), essence)


def _essence(stored: Stored) -> tuple[Any, ...]:
    """A status configures nothing but in a WorkloadEntry, where it is the workload's health, and in a ServiceEntry, where it has
    the virtual addresses."""
    body = stored.body
    meta = body.get("metadata", {})
    status: Any = body.get("status") if stored.key.resource.startswith("workloadentries.") else None
    if stored.key.resource.startswith("serviceentries."):
        status = (body.get("status") or {}).get("addresses")
    rest = {name: value for name, value in body.items() if name not in ("metadata", "status")}
    return (rest, meta.get("labels"), meta.get("annotations"), meta.get("uid"), status)


@dataclass(frozen=True, slots=True)
class Held:
    """A resource that Envoy refuses, and what is in effect instead: its last good version, or None, nothing."""

    refused: Resource
    instead: Resource | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Imagined:
    """The mesh as it would be after some writes. `changes` are (before, after) pairs; `findings` what would be said of each."""

    changes: tuple[tuple[Resource | None, Resource | None], ...]
    findings: tuple[Finding, ...]
    before: Translation
    after: Translation
    change: Change


class Reconciler:
    """Holds the current mesh and moves it on with the store."""

    def __init__(self, store: Store, settings: Settings, proxy_of: Callable[[str], Proxy | None], publish: Publish) -> None:
        self._store = store
        self._settings = settings
        self._proxy_of = proxy_of
        self._publish = publish
        self._cache = Cache()
        self._readings: dict[Key, Reading] = {}
        self._quarantine: dict[Key, Held] = {}
        self._last: dict[Key, Resource] = {}  # what was in effect before the last change
        self._proxies_say: Mapping[Ref, tuple[Finding, ...]] = {}
        self._translation: Translation = translation(settings, ())
        self._demand: Asked = {}
        self._mesh: tuple[Mesh, Mesh] | None = None  # the translation's, and the same with the demand
        self._revision = 0
        self._taken: frozenset[str] = frozenset()
        self.reported = asyncio.Event()  # set whenever findings may have changed
        self.touched: set[Key] = set()  # whose findings may have changed since the status writer looked

    @property
    def revision(self) -> int:
        """The store's revision that is in effect."""
        return self._revision

    def took(self, resource: str) -> bool:
        """Whether the change that is being published touched a `plural.group`."""
        return resource in self._taken

    @property
    def resources(self) -> Iterator[Resource]:
        """All resources that were understood."""
        return (read.resource for read in self._readings.values() if read.resource is not None)

    def resource(self, key: Key) -> Resource | None:
        """One of them, as it was written last."""
        read = self._readings.get(key)
        return read.resource if read else None

    @property
    def translation(self) -> Translation:
        """The mesh that is in effect, with its findings."""
        return self._translation

    def snapshot(self, proxy: str) -> Snapshot | None:
        """What the proxy `namespace/name` should hold now; None while nobody registered it."""
        known = self.proxy(proxy)
        return None if known is None else snapshot(self._measured(), known, self._cache)

    def _measured(self) -> Mesh:
        """The mesh that is in effect, with what is asked of it."""
        mesh = self._translation.mesh
        if self._mesh is None or self._mesh[0] is not mesh:
            self._mesh = mesh, replace(mesh, demand=self._demand) if self._demand else mesh
        return self._mesh[1]

    def asked(self, demand: Asked) -> None:
        """Takes what is asked of destinations, and publishes where that has changed."""
        if demand is self._demand:
            return
        changed = {to for to in demand.keys() | self._demand.keys() if demand.get(to) != self._demand.get(to)}
        self._demand, self._mesh = demand, None
        if changed:
            self._publish(Change(endpoints=frozenset(host for host, _, _ in changed)))

    def findings(self, key: Key) -> tuple[Finding, ...]:
        """What is to be said about one stored object."""
        read = self._readings.get(key)
        if read is None:
            return ()
        if read.resource is None:
            return read.findings
        held = self._quarantine.get(key)
        across = held.findings if held else tuple(self._translation.findings.get(read.resource.ref, ()))
        return read.findings + across + self._proxies_say.get(read.resource.ref, ())

    def api_status(self, key: Key) -> Status | None:
        """The status of one resource of the Gateway API; None: this mesh has nothing to say of it."""
        read = self._readings.get(key)
        return None if read is None or read.resource is None else self._translation.statuses.get(read.resource.ref)

    def imagined(self, changes: Iterable[tuple[Key, Mapping[str, Any] | None]]) -> Imagined:
        """The mesh as it would be if these objects (None: deleted) were written now."""
        return self.imagining(changes)()

    def imagining(self, changes: Iterable[tuple[Key, Mapping[str, Any] | None]]) -> Callable[[], Imagined]:
        """What imagines it, in whatever thread: all that changes is looked up now."""
        wanted = [(key, body, self._in_effect(key)) for key, body in changes]
        return partial(_imagined, self._translation, wanted)

    def _in_effect(self, key: Key) -> Resource | None:
        held, read = self._quarantine.get(key), self._readings.get(key)
        return held.instead if held else read.resource if read else None

    # Quarantine

    def proxy(self, name: str) -> Proxy | None:
        """The proxy `namespace/name`; None while nobody registered it."""
        known = self._proxy_of(name)
        return None if known is None else self._translation.joined(known)

    def choices(self, ref: Ref) -> tuple[tuple[Resource, Resource | None], ...]:
        """What is in effect of the whole resource `ref`, with each thing that may be put in its place: what was in effect before
        it, then nothing."""
        resource, last = self._in_effect(key_of(ref)), self._last.get(key_of(ref))
        if resource is None:
            return ()
        return ((resource, last), (resource, None)) if last is not None and last is not resource else ((resource, None),)

    def put_in_quarantine(self, instead: Mapping[Ref, Resource | None], findings: Mapping[Ref, tuple[Finding, ...]]) -> None:
        """Takes resources, by their whole refs, out of effect until they change."""
        pairs: list[tuple[Resource | None, Resource | None]] = []
        for ref, resource in instead.items():
            key = key_of(ref)
            read = self._readings.get(key)
            if read is None or read.resource is None:
                continue
            pairs.append((self._in_effect(key), resource))
            self._quarantine[key] = Held(read.resource, resource, findings[ref])
            self._touch([key])
        before = self._translation
        self._translation, change = advance(before, pairs)
        self._touch(_differing(before.statuses, self._translation.statuses))
        self._publish(change)

    @property
    def quarantined(self) -> int:
        """How many resources are in quarantine."""
        return len(self._quarantine)

    def proxies_say(self, findings: Mapping[Ref, tuple[Finding, ...]]) -> None:
        """What proxies have refused now, by the whole refs of what it was made from."""
        self._touch(
            key_of(ref) for ref in findings.keys() | self._proxies_say.keys() if findings.get(ref) != self._proxies_say.get(ref)
        )
        self._proxies_say = findings

    async def load(self) -> None:
        """Reads the whole store; what it says is in effect when this returns."""
        stored, self._revision = await self._store.list()
        self._readings = {each.key: reading(each) for each in stored}
        self._quarantine.clear()
        resources = [read.resource for read in self._readings.values() if read.resource is not None]
        self._translation = translation(self._settings, resources)
        self._touch(self._readings)

    async def run(self) -> None:
        """Follows the store without end."""
        while True:
            try:
                async for events in _batches(self._store.watch(since=self._revision)):
                    self._publish(self._apply(events, await self._ahead(events)))
            except Gone:
                await self.load()
                self._publish(Change(everything=True))

    async def _ahead(self, events: Iterable[Event]) -> Mapping[int, Reading]:
        """The large ones among the objects, read in a thread, by revision: nobody waits for them meanwhile."""
        large = [event.object for event in events if event.type is not EventType.DELETED and is_large([event.object.body])]
        return {
            each.revision: await asyncio.to_thread(reading, each, self._readings.get(each.key)) for each in large
        }  # fmt: skip

    def _apply(self, events: Iterable[Event], read: Mapping[int, Reading]) -> Change:
        first: dict[Key, Resource | None] = {}
        for event in events:
            key = event.object.key
            old = self._readings.get(key)
            first.setdefault(key, self._in_effect(key))
            if event.type is EventType.DELETED:
                self._readings.pop(key, None)
            else:
                self._readings[key] = read.get(event.object.revision) or reading(event.object, old)
            self._revision = event.object.revision
        pairs = [(old, self._new(key, old)) for key, old in first.items()]
        before = self._translation
        self._translation, change = advance(before, [pair for pair in pairs if pair[0] is not pair[1]])
        differing = {*_differing(before.findings, self._translation.findings)}
        self._touch({*first, *differing, *_differing(before.statuses, self._translation.statuses)})
        self._taken = frozenset(key.resource for key in first)
        return change

    def _new(self, key: Key, old: Resource | None) -> Resource | None:
        """What is in effect of an object that was written: a changed one leaves the quarantine."""
        read, held = self._readings.get(key), self._quarantine.get(key)
        if held is not None and read is not None and read.resource is held.refused:
            return held.instead
        self._quarantine.pop(key, None)
        if read is None:
            self._last.pop(key, None)
        elif old is not None and read.resource is not old:
            self._last[key] = old
        return read.resource if read else None

    def _touch(self, keys: Iterable[Key]) -> None:
        self.touched.update(keys)
        self.reported.set()


def _imagined(
    before: Translation, wanted: Iterable[tuple[Key, Mapping[str, Any] | None, Resource | None]]
) -> Imagined:  # fmt: skip
    pairs: list[tuple[Resource | None, Resource | None]] = []
    read: list[Reading] = []
    for key, body, old in wanted:
        new = Reading(None, (), ()) if body is None else reading(Stored(key, body, 0))
        read.append(new)
        pairs.append((old, new.resource))
    after, change = advance(before, pairs)
    findings: list[Finding] = []
    for new in read:
        findings += new.findings + (() if new.resource is None else tuple(after.findings.get(new.resource.ref, ())))
    return Imagined(tuple(pairs), tuple(findings), before, after, change)


def _differing(before: Mapping[Ref, object], after: Mapping[Ref, object]) -> Iterator[Key]:
    """The resources about which something else is to be said than before."""
    if before is after:
        return
    for ref in before.keys() | after.keys():
        if before.get(ref) != after.get(ref):
            yield key_of(ref)


def key_of(ref: Ref) -> Key:
    """Where the resource of `ref` is stored."""
    kind = next(each for each in KINDS if (each.group, each.kind) == (ref.group, ref.kind))
    return Key(kind.resource, ref.namespace, ref.name)


async def _batches(events: AsyncIterator[Event]) -> AsyncIterator[list[Event]]:
    """Groups what has arrived: never waits for a second event, never leaves one behind."""
    queue: asyncio.Queue[Event | BaseException] = asyncio.Queue()

    async def pump() -> None:
        try:
            async for event in events:
                queue.put_nowait(event)
        except Exception as problem:
            queue.put_nowait(problem)

    task = asyncio.create_task(pump())
    try:
        while True:
            batch: list[Event] = []
            ended: BaseException | None = None
            item = await queue.get()
            while True:
                if isinstance(item, BaseException):
                    ended = item
                    break
                batch.append(item)
                if queue.empty():
                    break
                item = queue.get_nowait()
            if batch:
                yield batch
            if ended is not None:
                raise ended
    finally:
        task.cancel()
