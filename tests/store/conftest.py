"""Stores to try, and how to ask them things briefly."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from weft.store.memory import MemoryStore
from weft.store.sqlite import SqliteStore
from weft.store.store import Event, Key, Store


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each sort that keeps at least four revisions of history."""
    made: Store = MemoryStore(history=4) if request.param == "memory" else SqliteStore(tmp_path / "mesh.db", history=4)
    yield made
    await made.close()


def key(name: str, namespace: str = "default", resource: str = "services") -> Key:
    """A key, mostly of a service in the default namespace."""
    return Key(resource, namespace, name)


def body(name: str, **spec: Any) -> dict[str, Any]:
    """An object without a revision."""
    return {"metadata": {"name": name}, "spec": spec}


async def next_events(store: Store, since: int, count: int, resource: str | None = None) -> list[Event]:
    """The next `count` events after `since`."""
    found: list[Event] = []
    async with aclosing(store.watch(resource, since=since)) as events:  # type: ignore[type-var]
        while len(found) < count:
            found.append(await anext(events))
    return found
