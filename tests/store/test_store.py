"""The conformance suite: what every store does alike."""

import asyncio

import pytest

from weft.store.store import Conflict, Delete, EventType, Gone, Put, Store

from .conftest import body, key, next_events


async def test_an_empty_store_is_at_revision_zero(store: Store) -> None:
    """A new store holds nothing, at revision 0."""
    assert await store.list() == ((), 0)
    assert await store.revision() == 0
    assert await store.get(key("a")) is None


async def test_a_write_answers_with_what_is_stored(store: Store) -> None:
    """Each write of a transaction has its own revision, which stands in the object too."""
    first, second = await store.write([Put(key("a"), body("a")), Put(key("b"), body("b", x=1))])
    assert (first.revision, second.revision) == (1, 2)
    assert second.body == {"metadata": {"name": "b", "resourceVersion": "2"}, "spec": {"x": 1}}
    assert await store.get(key("b")) == second


async def test_a_list_is_sorted_and_narrowed(store: Store) -> None:
    """A list is sorted by key, of all or one resource, of all or one namespace."""
    keys = [key("b"), key("a"), key("a", "other"), key("a", "", "namespaces")]
    await store.write([Put(each, body(each.name)) for each in keys])
    assert [each.key for each in (await store.list())[0]] == sorted(keys)
    assert [each.key for each in (await store.list("services"))[0]] == [key("a"), key("b"), key("a", "other")]
    assert [each.key for each in (await store.list("services", "other"))[0]] == [key("a", "other")]
    assert [each.key for each in (await store.list(namespace=""))[0]] == [key("a", "", "namespaces")]


async def test_a_writer_does_not_lose_anothers_change(store: Store) -> None:
    """A write that expects another revision than the object's is refused with the actual one."""
    await store.write([Put(key("a"), body("a"), expected=0)])
    with pytest.raises(Conflict) as created_twice:
        await store.write([Put(key("a"), body("a"), expected=0)])
    assert created_twice.value.actual == 1
    await store.write([Put(key("a"), body("a", x=1), expected=1)])
    with pytest.raises(Conflict):
        await store.write([Put(key("a"), body("a", x=2), expected=1)])
    with pytest.raises(Conflict):
        await store.write([Delete(key("a"), expected=1)])
    with pytest.raises(Conflict) as missing:
        await store.write([Delete(key("b"), expected=1)])
    assert missing.value.actual == 0


async def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    """One refused write leaves the store as it was."""
    await store.write([Put(key("a"), body("a"))])
    with pytest.raises(Conflict):
        await store.write([Put(key("b"), body("b")), Delete(key("a")), Put(key("c"), body("c"), expected=7)])
    assert [each.key for each in (await store.list())[0]] == [key("a")]
    assert await store.revision() == 1


async def test_a_transaction_sees_its_own_writes(store: Store) -> None:
    """A later write of a transaction stands on the earlier ones."""
    await store.write(
        [Put(key("a"), body("a"), expected=0), Put(key("a"), body("a", x=1), expected=1), Delete(key("a"), expected=2)]
    )
    assert await store.list() == ((), 3)


async def test_deleting_what_is_not_there(store: Store) -> None:
    """An unconditional delete of a missing object is a KeyError."""
    with pytest.raises(KeyError):
        await store.write([Delete(key("a"))])


async def test_a_delete_answers_with_the_last_state(store: Store) -> None:
    """The answer to a delete is the object, at the revision of the deletion."""
    await store.write([Put(key("a"), body("a", x=1))])
    (last,) = await store.write([Delete(key("a"))])
    assert (last.revision, last.body["spec"], last.body["metadata"]["resourceVersion"]) == (2, {"x": 1}, "2")


async def test_concurrent_creates_have_one_winner(store: Store) -> None:
    """Of many creates of one object at once exactly one succeeds, and the others learn its revision."""
    answers = await asyncio.gather(
        *(store.write([Put(key("a"), body("a", by=n), expected=0)]) for n in range(20)), return_exceptions=True
    )
    winners = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(winners) == 1
    assert {answer.actual for answer in answers if isinstance(answer, Conflict)} == {1}


async def test_a_watch_tells_every_change_in_order(store: Store) -> None:
    """A watch from a revision tells what came after it, then what comes, with the state before."""
    await store.write([Put(key("a"), body("a"))])
    watching = asyncio.create_task(next_events(store, 0, 4))
    await asyncio.sleep(0)
    await store.write([Put(key("a"), body("a", x=1)), Put(key("b"), body("b"))])
    await store.write([Delete(key("a"))])
    events = await watching
    assert [(each.type, each.object.key.name, each.object.revision) for each in events] == [
        (EventType.ADDED, "a", 1),
        (EventType.MODIFIED, "a", 2),
        (EventType.ADDED, "b", 3),
        (EventType.DELETED, "a", 4),
    ]
    assert [each.previous.revision if each.previous else None for each in events] == [None, 1, None, 2]


async def test_a_watch_of_one_resource_is_not_told_of_others(store: Store) -> None:
    """A narrowed watch skips other resources."""
    await store.write([Put(key("a"), body("a")), Put(key("a", "", "namespaces"), body("a"))])
    (event,) = await next_events(store, 0, 1, "namespaces")
    assert event.object.revision == 2


async def test_a_watch_of_compacted_history_is_gone(store: Store) -> None:
    """A watch since a revision that is no longer kept, or that never was, is Gone."""
    for n in range(30):
        await store.write([Put(key("a"), body("a", x=n))])
    with pytest.raises(Gone):
        await next_events(store, 3, 1)
    with pytest.raises(Gone):
        await next_events(store, 31, 1)
    assert (await next_events(store, 29, 1))[0].object.revision == 30


async def test_a_slow_watch_is_gone(store: Store) -> None:
    """A reader that falls behind the history gets Gone instead of holding memory."""
    await store.write([Put(key("a"), body("a"))])
    events = store.watch(since=0)
    assert (await anext(events)).object.revision == 1
    for n in range(30):
        await store.write([Put(key("a"), body("a", x=n))])
    with pytest.raises(Gone):
        async for _ in events:
            pass


async def test_closing_ends_watches(store: Store) -> None:
    """A watch ends when the store is closed."""

    async def watched() -> int:
        return len([event async for event in store.watch(since=0)])

    await store.write([Put(key("a"), body("a"))])
    watching = asyncio.create_task(watched())
    await asyncio.sleep(0.01)
    await store.close()
    assert await asyncio.wait_for(watching, 5) == 1
