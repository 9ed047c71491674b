"""Watches: playbooks of what a client is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from weft.controlplane.api import watching
from weft.controlplane.api.change import Resources
from weft.controlplane.api.selector import matcher
from weft.controlplane.api.status import Refused
from weft.controlplane.api.target import Target
from weft.controlplane.api.watching import Watch, lines, start
from weft.resource.kinds import DESTINATION_RULE
from weft.store.memory import MemoryStore

from .conftest import RULES, Api, rule

ALL = Target(DESTINATION_RULE, "v1")
HERE = Target(DESTINATION_RULE, "v1", "default")


def wanted(target: Target = HERE, labels: str = "", **more: Any) -> Watch:
    """A watch that shows names."""
    return Watch(target, matcher(labels, ""), lambda body, _: body["metadata"].get("name") or body, **more)


async def told(store: MemoryStore, watch: Watch, stopping: asyncio.Event | None = None) -> AsyncIterator[tuple[str, Any]]:
    """What the watch says, line by line."""
    resources = Resources(store)
    first, since = await start(resources, watch)
    async for line in lines(resources, watch, stopping or asyncio.Event(), first=first, since=since):
        event = json.loads(line)
        yield event["type"], event["object"]


async def test_a_watch_from_a_revision_tells_what_came_after(api: Api) -> None:
    """Changes after the revision are told in order, those of other namespaces are not."""
    made = await api.create(rule("a"))
    await api.create(rule("b"))
    await api.create(rule("c"), RULES.replace("default", "istio-system"))
    await api.patch(f"{RULES}/a", {"spec": {"host": "x"}})
    await api.ask("DELETE", f"{RULES}/b")
    async with aclosing(told(api.store, wanted(since=made["metadata"]["resourceVersion"]))) as events:
        assert [await anext(events) for _ in range(3)] == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


async def test_a_watch_from_nowhere_shows_what_is_there(api: Api) -> None:
    """Without a revision the objects come first, as added."""
    await api.create(rule("a"))
    async with aclosing(told(api.store, wanted())) as events:
        assert await anext(events) == ("ADDED", "a")
        await api.create(rule("b"))
        assert await anext(events) == ("ADDED", "b")


async def test_a_selector_makes_objects_come_and_go(api: Api) -> None:
    """An object that begins to match is added, one that ceases to is deleted."""
    await api.create(rule("a"))
    async with aclosing(told(api.store, wanted(labels="app=x"))) as events:
        coming = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await api.patch(f"{RULES}/a", {"metadata": {"labels": {"app": "x"}}})
        assert await coming == ("ADDED", "a")
        await api.patch(f"{RULES}/a", {"spec": {"host": "x"}})
        assert await anext(events) == ("MODIFIED", "a")
        await api.patch(f"{RULES}/a", {"metadata": {"labels": {"app": "y"}}})
        assert await anext(events) == ("DELETED", "a")


async def test_initial_events_end_with_a_bookmark(api: Api) -> None:
    """sendInitialEvents marks the end of what was there before."""
    await api.create(rule("a"))
    async with aclosing(told(api.store, wanted(since="1", initial=True, bookmarks=True))) as events:
        assert await anext(events) == ("ADDED", "a")
        kind, bookmark = await anext(events)
        assert kind == "BOOKMARK"
        assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert bookmark["metadata"]["resourceVersion"] == "3"


async def test_silence_is_broken_by_bookmarks(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that allows it is told the revision from time to time."""
    monkeypatch.setattr(watching, "BOOKMARK_PERIOD", 0.01)
    made = await api.create(rule("a"))
    async with aclosing(told(api.store, wanted(since=made["metadata"]["resourceVersion"], bookmarks=True))) as events:
        kind, bookmark = await anext(events)
        assert (kind, bookmark["metadata"]["resourceVersion"]) == ("BOOKMARK", "3")


async def test_a_watch_ends_at_its_time_or_with_the_server(api: Api) -> None:
    """A timeout and a stopping server both end a watch without an error."""
    assert [event async for event in told(api.store, wanted(timeout=0.02))] == []
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, stopping.set)
    assert [event async for event in told(api.store, wanted(), stopping)] == []


async def test_an_old_revision_is_gone(api: Api) -> None:
    """A compacted revision is 410, a future one 504, before anything is told."""
    for number in range(40):
        await api.create(rule(f"r{number}"))
    for since, code in (("2", 410), ("99", 504), ("x", 400)):
        with pytest.raises(Refused) as refused:
            await start(Resources(api.store), wanted(since=since))
        assert refused.value.code == code
    assert (await api.get(f"{RULES}?watch=1&resourceVersion=2", code=410))["reason"] == "Expired"


async def test_a_slow_client_is_told_that_history_is_gone(api: Api) -> None:
    """A reader that fell behind gets an ERROR event with a Status."""
    await api.create(rule("a"))
    async with aclosing(told(api.store, wanted())) as events:
        assert await anext(events) == ("ADDED", "a")
        for number in range(40):
            await api.create(rule(f"r{number}"))
        kinds = [(kind, each) async for kind, each in events]
        assert kinds[-1][0] == "ERROR"
        assert kinds[-1][1]["code"] == 410


async def test_a_watch_over_http(api: Api) -> None:
    """A watch is a line of JSON for each event; as a Table only the first has columns."""
    await api.create(rule("a"))
    await api.create(rule("b"))
    answer = await api.http.get(
        f"{RULES}?watch=true&timeoutSeconds=1", headers={"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    )
    first, second = (json.loads(line)["object"] for line in answer.text.splitlines())
    assert first["columnDefinitions"]
    assert not second["columnDefinitions"]
    assert second["rows"][0]["cells"][0] == "b"
