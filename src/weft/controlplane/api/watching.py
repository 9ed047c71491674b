"""A watch: every change of a collection as a line of JSON, from a revision on.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes. The client is told what its
selectors see: an object that begins to match is ADDED, one that ceases to is DELETED.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from weft.controlplane.api.change import Resources
from weft.controlplane.api.requests import revision_number, too_large
from weft.controlplane.api.selector import Matches
from weft.controlplane.api.status import Refused, gone
from weft.controlplane.api.target import Target
from weft.store.store import Event, EventType, Gone, Json

Shown = Callable[[Json, bool], Any]
"""How an object is put into an event; True for the first event of the watch."""

BOOKMARK_PERIOD = 60.0
"""Seconds of silence after which a client that allows it is told the revision it may go on from."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a watch asks for. `since` is its resourceVersion: empty or 0 shows what is there first, as changes. `initial`
    (sendInitialEvents) does so too and marks the end with a bookmark. `timeout` is in seconds."""

    target: Target
    matches: Matches
    shown: Shown
    since: str = ""
    timeout: float = 1800.0
    bookmarks: bool = False
    initial: bool = False


async def lines(
    resources: Resources, watch: Watch, stopping: asyncio.Event, *, first: Sequence[Json], since: int
) -> AsyncIterator[bytes]:
    """The events, a line each, until the timeout or until the server stops. `first`: objects to show as added, before what
    happened after `since`; both come from `start`."""
    headed = True
    for body in first:
        yield _line("ADDED", watch.shown(body, headed))
        headed = False
    if watch.initial:
        yield _line("BOOKMARK", _bookmark(watch, since, end=True))
    async with aclosing(_timed(resources, watch, stopping, since)) as changes:  # type: ignore[type-var]
        async for change in changes:
            match change:
                case int(revision):
                    yield _line("BOOKMARK", _bookmark(watch, revision))
                case Event(kind, stored):
                    yield _line(kind.value, watch.shown(stored.body, headed))
                    headed = False
                case Refused() as refused:
                    yield _line("ERROR", refused.status())


async def start(resources: Resources, watch: Watch) -> tuple[Sequence[Json], int]:
    """What a watch shows first, and since when it tells changes. Raises Refused (400, 410, 504) when it cannot begin."""
    version = revision_number(watch.since)
    found, revision = await resources.store.list(watch.target.kind.resource, watch.target.namespace or None)
    if version > revision:
        raise too_large(version, revision)
    if version == 0 or watch.initial:
        return [stored.body for stored in found if watch.matches(stored.body)], revision
    try:
        await _probe(resources, version)
    except Gone:
        raise gone(f"too old resource version: {version} ({revision})") from None
    return [], version


async def _probe(resources: Resources, version: int) -> None:
    """Raises Gone when `version` is compacted."""
    if version < await resources.store.revision():
        async with aclosing(resources.store.watch(since=version)) as events:  # type: ignore[type-var]
            await anext(events)


async def _timed(resources: Resources, watch: Watch, stopping: asyncio.Event, since: int) -> AsyncIterator[Event | int | Refused]:
    """Events that match, revisions for bookmarks in times of silence, and a refusal when the history is gone."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + watch.timeout
    stopped = asyncio.ensure_future(stopping.wait())
    events = resources.store.watch(watch.target.kind.resource, since=since)
    coming: asyncio.Task[Event] = asyncio.ensure_future(_next(events))
    try:
        while (left := deadline - loop.time()) > 0:
            waiting: set[asyncio.Future[Any]] = {coming, stopped}
            done, _ = await asyncio.wait(waiting, timeout=min(left, BOOKMARK_PERIOD), return_when=asyncio.FIRST_COMPLETED)
            if stopped in done:
                return
            if coming in done:
                event = coming.result()
                since = event.object.revision
                coming = asyncio.ensure_future(_next(events))
                if seen := _seen(event, watch):
                    yield seen
            elif watch.bookmarks:
                yield since
    except (Gone, StopAsyncIteration) as problem:
        if isinstance(problem, Gone):
            yield gone(f"too old resource version: {since}")
    finally:
        for task in (coming, stopped):
            task.cancel()
        await asyncio.gather(coming, stopped, return_exceptions=True)
        await events.aclose()  # type: ignore[attr-defined]


async def _next(events: AsyncIterator[Event]) -> Event:
    try:
        return await anext(events)
    except StopAsyncIteration:
        raise Gone("the store is closed") from None


def _seen(event: Event, watch: Watch) -> Event | None:
    """The event as one sees it who sees only what matches."""
    if watch.target.namespace and event.object.key.namespace != watch.target.namespace:
        return None
    now = event.type is not EventType.DELETED and watch.matches(event.object.body)
    before = _matched_before(event, watch.matches)
    if now:
        return replace(event, type=EventType.MODIFIED if before else EventType.ADDED)
    return replace(event, type=EventType.DELETED) if before else None


def _matched_before(event: Event, matches: Matches) -> bool:
    """Whether the object matched before. What is not known any more is taken to have matched: a deletion too many does no
    harm, one too few does."""
    if event.type is EventType.ADDED:
        return False
    return event.previous is None or matches(event.previous.body)


def _bookmark(watch: Watch, revision: int, *, end: bool = False) -> Any:
    meta: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    body = {"apiVersion": watch.target.api_version, "kind": watch.target.kind.kind, "metadata": meta}
    return watch.shown(body, False)


def _line(kind: str, value: Any) -> bytes:
    return msgspec.json.encode({"type": kind, "object": value}) + b"\n"
