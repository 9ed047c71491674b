"""A mesh can be put back as it was."""

import asyncio
import stat
from pathlib import Path

import pytest

from weft.store.backup import BrokenBackup, backup, restore
from weft.store.database import InUse
from weft.store.sqlite import SqliteStore
from weft.store.store import Gone, Put

from .conftest import body, key, next_events


async def test_a_backup_of_a_store_in_use_is_restored(tmp_path: Path) -> None:
    """What was there when the backup was made is there after the restore; what came later is not."""
    store = SqliteStore(tmp_path / "mesh.db")
    await store.write([Put(key("a"), body("a"))])
    writing = asyncio.gather(*(store.write([Put(key(f"s{n}"), body(f"s{n}"))]) for n in range(50)))
    await asyncio.to_thread(backup, tmp_path / "mesh.db", tmp_path / "copy")
    await writing
    await store.write([Put(key("late"), body("late"))])
    with pytest.raises(InUse):
        restore(tmp_path / "copy", tmp_path / "mesh.db")
    await store.close()
    restore(tmp_path / "copy", tmp_path / "mesh.db")
    restored = SqliteStore(tmp_path / "mesh.db")
    assert await restored.get(key("a"))
    assert not await restored.get(key("late"))
    await restored.close()


async def test_a_restored_store_does_not_reuse_revisions(tmp_path: Path) -> None:
    """A watch from before the restore is Gone, since the revisions go on far above those a client may remember."""
    path = tmp_path / "mesh.db"
    store = SqliteStore(path)
    await store.write([Put(key("a"), body("a"))])
    await store.close()
    backup(path, tmp_path / "copy")
    restore(tmp_path / "copy", path)
    restored = SqliteStore(path)
    (stored,) = await restored.write([Put(key("b"), body("b"))])
    assert stored.revision > 1_000_000_000
    with pytest.raises(Gone):
        await next_events(restored, 1, 1)
    await restored.close()


async def test_a_restore_replaces_what_a_crash_left(tmp_path: Path) -> None:
    """The write-ahead log of the replaced database is not played into the restored one."""
    path = tmp_path / "mesh.db"
    store = SqliteStore(path)
    await store.write([Put(key("a"), body("a"))])
    backup(path, tmp_path / "copy")
    await store.write([Put(key("b"), body("b"))])
    leftover = (tmp_path / "mesh.db-wal").read_bytes()
    await store.close()
    (tmp_path / "mesh.db-wal").write_bytes(leftover)
    restore(tmp_path / "copy", path)
    restored = SqliteStore(path)
    assert [each.key.name for each in (await restored.list())[0]] == ["a"]
    await restored.close()


def test_a_broken_backup_is_refused(tmp_path: Path) -> None:
    """What is not a whole database of weft leaves the mesh's database as it was."""
    (tmp_path / "text").write_text("not a database, but long enough to be read as one" * 20)
    (tmp_path / "empty").touch()
    (tmp_path / "mesh.db").write_text("untouched")
    for source in ("text", "empty"):
        with pytest.raises(BrokenBackup):
            restore(tmp_path / source, tmp_path / "mesh.db")
    with pytest.raises(FileNotFoundError):
        restore(tmp_path / "missing", tmp_path / "mesh.db")
    assert (tmp_path / "mesh.db").read_text() == "untouched"
    assert not (tmp_path / "mesh.db.part").exists()


async def test_a_backup_is_private(tmp_path: Path) -> None:
    """A backup is readable by its owner alone."""
    store = SqliteStore(tmp_path / "mesh.db")
    await store.open()
    backup(tmp_path / "mesh.db", tmp_path / "copy")
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    await store.close()
