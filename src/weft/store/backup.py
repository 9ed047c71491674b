"""A copy of a database while it is in use, and the way back.

A restored database goes on at a revision far above any that a client may remember, with its history compacted, as etcd's
`--bump-revision --mark-compacted` does: a watch from before the restore gets Gone instead of missing what was undone.
"""

import os
import sqlite3
from pathlib import Path

from weft.store import schema
from weft.store.database import Lock, integrity

BUMP = 1_000_000_000
"""More revisions than a mesh writes between a backup and its restore."""


class BrokenBackup(Exception):
    """What was to be restored is not a whole database of weft."""


def backup(database: Path, target: Path) -> None:
    """Copies `database` to `target` (mode 0600), consistent as of one commit, also while a store writes to it. `target`
    appears only when it is complete. Raises FileNotFoundError."""
    if not database.exists():
        raise FileNotFoundError(database)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT, 0o600))
    source, copy = sqlite3.connect(database, timeout=10), sqlite3.connect(part)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file: nothing of it stays in a -wal beside it
    finally:
        copy.close()
        source.close()
    _replace(part, target)


def restore(source: Path, database: Path) -> None:
    """Puts the backup `source` in place of `database`. Raises InUse while a store has it open, BrokenBackup, NewerSchema,
    FileNotFoundError; then nothing was changed."""
    if not source.exists():
        raise FileNotFoundError(source)
    if (state := integrity(source)) != "ok":
        raise BrokenBackup(f"{source} is not a whole database: {state}")
    database.parent.mkdir(parents=True, exist_ok=True)
    lock = Lock(database)
    try:
        part = database.with_name(database.name + ".part")
        backup(source, part)
        _go_on(part)
        for left in ("-wal", "-shm"):
            database.with_name(database.name + left).unlink(missing_ok=True)
        _replace(part, database)
    finally:
        lock.release()


def _go_on(path: Path) -> None:
    """Migrates, forgets the history and leaps ahead in revisions."""
    opened = sqlite3.connect(path, isolation_level=None)
    try:
        if not schema.version(opened):
            raise BrokenBackup(f"{path} is not a database of weft")
        schema.migrate(opened, path)
        opened.execute("BEGIN")
        opened.execute("DELETE FROM history")
        opened.execute("UPDATE head SET revision = revision + ?", (BUMP,))
        opened.execute("COMMIT")
    except BaseException:
        opened.close()
        path.unlink(missing_ok=True)
        raise
    opened.close()


def _replace(part: Path, target: Path) -> None:
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
