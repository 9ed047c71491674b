"""Both stores: the same questions have the same answers, and a store that is away says so."""

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from weft.limiter.memory import MemoryStore
from weft.limiter.redis_store import RedisStore
from weft.limiter.store import Counted, Store, Unavailable
from weft.quota import Quota

FEW, MANY, SEEN = (
    Counted(b"few", Quota(2, 3600, 2)),
    Counted(b"many", Quota(100, 3600, 100)),
    Counted(b"seen", Quota(1, 3600, 1), shadow=True),
)


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """A real Redis at a Unix socket; its URL."""
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    folder = Path(tempfile.mkdtemp(prefix="weft-r-"))
    line = ["redis-server", "--port", "0", "--unixsocket", str(folder / "s"), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
    try:
        while not (folder / "s").exists():
            time.sleep(0.01)
        yield f"unix://{folder}/s"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> Store:
    """A store."""
    if request.param == "memory":
        return MemoryStore(time.monotonic)
    return RedisStore(request.getfixturevalue("redis"), time.monotonic)


async def passes(store: Store, *buckets: Counted, hits: int = 1) -> list[bool]:
    """Which buckets let it pass."""
    decisions, _ = await store.take(buckets, hits)
    return [one.passes for one in decisions]


def test_a_bucket_is_emptied_and_others_are_not(store: Store) -> None:
    """Two pass of a quota of two; another bucket of the same quota is full."""

    async def conversation() -> None:
        assert [await passes(store, FEW) for _ in range(3)] == [[True], [True], [False]]
        assert await passes(store, Counted(b"another", FEW.quota)) == [True]
        decisions, now = await store.take((FEW,), 1)
        assert 1799 < decisions[0].wait <= 1800 and 3599 < decisions[0].full - now <= 3600
        await store.close()

    asyncio.run(conversation())


def test_what_one_bucket_refuses_is_charged_to_none(store: Store) -> None:
    """A refused request takes nothing from the other quotas; one that only watches goes on watching."""
    few, many, seen = (Counted(b"2" + one.key, one.quota, one.shadow) for one in (FEW, MANY, SEEN))

    async def conversation() -> None:
        assert await passes(store, few, many, seen) == [True, True, True]
        assert await passes(store, few, many, seen) == [True, True, False]
        for _ in range(5):
            assert await passes(store, few, many, seen) == [False, True, False]
        decisions, _ = await store.take((many,), 1)
        assert decisions[0].remaining == 97
        await store.close()

    asyncio.run(conversation())


def test_limiters_that_share_a_redis_count_together(redis: str) -> None:
    """What one has let pass the other knows."""
    bucket = Counted(b"shared", Quota(2, 3600, 2))

    async def conversation() -> None:
        one, other = RedisStore(redis, time.monotonic), RedisStore(redis, time.monotonic)
        assert [await passes(each, bucket) for each in (one, other, one)] == [[True], [True], [False]]
        await one.close()
        await other.close()

    asyncio.run(conversation())


def test_a_redis_that_is_not_there_is_unavailable_at_once() -> None:
    """A question is refused within Envoy's patience, and further ones without another try."""

    async def conversation() -> None:
        store = RedisStore("unix:///nowhere/s", time.monotonic)
        for _ in range(20):
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await store.take((FEW,), 1)
            assert time.monotonic() - began < 1
        await store.close()

    asyncio.run(conversation())


def test_memory_forgets_what_is_full_and_what_is_too_much() -> None:
    """Buckets that are full again are forgotten; of more than it may hold, those asked longest ago."""

    async def conversation() -> None:
        clock = [100.0]
        store = MemoryStore(lambda: clock[0], most=3)
        for key in (b"a", b"b", b"c", b"a", b"d"):
            await store.take((Counted(key, Quota(1, 1, 1)),), 1)
        assert store.held == 3
        clock[0] += 2
        store.sweep()
        assert store.held == 0

    asyncio.run(conversation())
