"""What only the SQLite store does: outlive its process."""

import asyncio
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from weft.store import schema
from weft.store.database import InUse
from weft.store.schema import NewerSchema
from weft.store.sqlite import SqliteStore
from weft.store.store import Delete, Gone, Put

from .conftest import body, key, next_events

WRITER = Path(__file__).parent / "killed_writer.py"
KILLS = 100


async def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    """Objects, revision and history survive a restart."""
    path = tmp_path / "mesh.db"
    first = SqliteStore(path)
    await first.write([Put(key("a"), body("a", x="ü")), Put(key("b"), body("b"))])
    await first.write([Put(key("a"), body("a", x=2)), Delete(key("b"))])
    before, revision = await first.list()
    await first.close()
    second = SqliteStore(path)
    assert await second.list() == (before, revision)
    events = await next_events(second, 1, 3)
    assert [(each.object.key.name, each.previous and each.previous.revision) for each in events] == [
        ("b", None),
        ("a", 1),
        ("b", 2),
    ]
    assert (await second.write([Put(key("c"), body("c"))]))[0].revision == revision + 1
    await second.close()


async def test_compacted_history_is_gone_after_reopening(tmp_path: Path) -> None:
    """The file keeps the last revisions only."""
    path = tmp_path / "mesh.db"
    first = SqliteStore(path, history=3)
    for n in range(10):
        await first.write([Put(key("a"), body("a", x=n))])
    await first.close()
    second = SqliteStore(path, history=3)
    assert [each.object.revision for each in await next_events(second, 7, 3)] == [8, 9, 10]
    with pytest.raises(Gone):
        await next_events(second, 6, 1)
    await second.close()


async def test_a_database_has_one_user_at_a_time(tmp_path: Path) -> None:
    """A second store on the same file is refused, and let in once the first is closed."""
    path = tmp_path / "mesh.db"
    first, second, third = SqliteStore(path), SqliteStore(path), SqliteStore(path)
    await first.open()
    with pytest.raises(InUse, match="in use by another process"):
        await second.open()
    await first.close()
    await third.open()
    await third.close()
    await second.close()


async def test_the_file_is_private(tmp_path: Path) -> None:
    """The database and its write-ahead log are readable by their owner alone: secrets are in them."""
    store = SqliteStore(tmp_path / "mesh.db")
    await store.write([Put(key("a"), body("a"))])
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(tmp_path)}
    assert modes == dict.fromkeys(("mesh.db", "mesh.db-wal", "mesh.db-shm", "mesh.db.lock"), 0o600)
    await store.close()


async def test_commits_are_flushed(tmp_path: Path) -> None:
    """Connections use a write-ahead log with synchronous=FULL, so that a commit survives the machine."""
    opened = schema.connection(tmp_path / "mesh.db")
    assert opened.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert opened.execute("PRAGMA synchronous").fetchone() == (2,)
    opened.close()


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """A database with a schema version this weft does not know is left alone, and the message says what to do."""
    path = tmp_path / "mesh.db"
    opened = schema.connection(path)
    schema.migrate(opened, path, [*schema.MIGRATIONS, ["CREATE TABLE more (x)"]])
    opened.close()
    store = SqliteStore(path)
    with pytest.raises(NewerSchema, match=r"schema version 2; this weft knows versions up to 1\. Use the weft that wrote it"):
        await store.open()
    await store.close()


def test_an_older_database_is_migrated(tmp_path: Path) -> None:
    """The steps from the database's version to the newest are taken, each once."""
    path = tmp_path / "mesh.db"
    opened = schema.connection(path)
    schema.migrate(opened, path)
    newer = [*schema.MIGRATIONS, ["CREATE TABLE more (x)", "INSERT INTO more VALUES (1)"]]
    for _ in range(2):
        schema.migrate(opened, path, newer)
    assert opened.execute("SELECT count(*) FROM more").fetchone() == (1,)
    assert schema.version(opened) == 2


def test_a_failed_migration_changes_nothing(tmp_path: Path) -> None:
    """A migration is one transaction."""
    path = tmp_path / "mesh.db"
    opened = schema.connection(path)
    schema.migrate(opened, path)
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(opened, path, [*schema.MIGRATIONS, ["CREATE TABLE more (x)", "nonsense"]])
    assert schema.version(opened) == 1
    assert not opened.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchone()


async def test_many_writes_at_once_share_commits(tmp_path: Path) -> None:
    """A thousand concurrent writes are all answered, in far fewer commits than there are writes."""
    store = SqliteStore(tmp_path / "mesh.db")
    await asyncio.gather(*(store.write([Put(key(f"s{n}"), body(f"s{n}"))]) for n in range(1000)))
    assert len((await store.list())[0]) == await store.revision() == 1000
    await store.close()


async def test_a_disk_that_fails_fails_the_write_and_nothing_else(tmp_path: Path) -> None:
    """A commit that fails is told to the writer, and the store goes on as if it had not been asked."""
    store = SqliteStore(tmp_path / "mesh.db")
    await store.write([Put(key("a"), body("a"))])
    other = sqlite3.connect(tmp_path / "mesh.db", isolation_level=None)
    other.execute("CREATE TRIGGER full BEFORE INSERT ON history BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        await store.write([Put(key("b"), body("b"))])
    assert await store.revision() == 1
    other.execute("DROP TRIGGER full")
    assert (await store.write([Put(key("b"), body("b"))]))[0].revision == 2
    other.close()
    await store.close()


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """A writer killed a hundred times at random moments never loses an acknowledged write, nor leaves half a transaction."""
    path, chance, acknowledged, busy = tmp_path / "mesh.db", random.Random(7), set[str](), 0
    writers = subprocess.Popen(
        [sys.executable, str(WRITER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert writers.stdin and writers.stdout and writers.stderr
    for _ in range(KILLS):
        writers.stdin.write(f"{path}\n")
        writers.stdin.flush()
        pid = int(writers.stderr.readline())
        if chance.random() < 0.9:  # one in ten dies while it opens the database
            acknowledged.add(writers.stdout.readline().strip())
            busy += 1
        time.sleep(chance.uniform(0, 0.03))
        os.kill(pid, signal.SIGKILL)
        acknowledged |= {line.strip() for line in iter(writers.stdout.readline, "end\n")}
    writers.communicate(timeout=10)
    found = asyncio.run(_names(path))
    assert len(acknowledged) >= busy > KILLS / 2
    assert {f"{side}-{number}" for number in acknowledged for side in ("left", "right")} <= found
    assert _numbers("left", found) == _numbers("right", found)


def _numbers(side: str, names: set[str]) -> set[str]:
    return {name.removeprefix(f"{side}-") for name in names if name.startswith(side)}


async def _names(path: Path) -> set[str]:
    store = SqliteStore(path)
    found = {each.key.name for each in (await store.list())[0]}
    await store.close()
    return found
