"""The SQLite file of a store: read whole when it is opened, appended to afterwards. Used by one thread only.

A lock on a file beside it keeps a second process out; the kernel drops it with the process, also after kill -9.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from weft.store import schema
from weft.store.store import Event, EventType, Key, Stored


class InUse(Exception):
    """Another process has this database open."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is in use by another process: stop it first (weft down)")


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a database holds."""

    objects: tuple[Stored, ...]
    events: tuple[Event, ...]
    revision: int


class Lock:
    """Exclusive use of the database at `path`, until `release` or the end of the process. Raises InUse."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise InUse(path) from None

    def release(self) -> None:
        """Lets others in."""
        os.close(self._descriptor)


class Database:
    """An open, locked, migrated database. Opening raises InUse, NewerSchema or sqlite3.DatabaseError."""

    def __init__(self, path: Path, history: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._history = history
        self._lock = Lock(path)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # secrets are among the objects
            self._connection = schema.connection(path)
            schema.migrate(self._connection, path)
        except BaseException:
            self._lock.release()
            raise

    def contents(self) -> Contents:
        """Everything, as of the last commit."""
        query = self._connection.execute
        objects = tuple(
            Stored(Key(resource, namespace, name), msgspec.json.decode(body), revision)
            for resource, namespace, name, revision, body in query(
                "SELECT resource, namespace, name, revision, body FROM objects"
            )
        )
        rows = query("SELECT revision, type, resource, namespace, name, body FROM history ORDER BY revision")
        return Contents(objects, _events(rows), query("SELECT revision FROM head").fetchone()[0])

    def append(self, events: Sequence[Event]) -> None:
        """Commits `events`. When it returns they are on the disk; when it raises none of them is."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for event in events:
                self._write(event)
            head = events[-1].object.revision
            self._connection.execute("UPDATE head SET revision = ?", (head,))
            self._connection.execute("DELETE FROM history WHERE revision <= ?", (head - self._history,))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Closes the file and lets others in."""
        self._connection.close()
        self._lock.release()

    def _write(self, event: Event) -> None:
        key, revision, body = event.object.key, event.object.revision, msgspec.json.encode(event.object.body)
        place = (key.resource, key.namespace, key.name)
        execute = self._connection.execute
        if event.type is EventType.DELETED:
            execute("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", place)
        else:
            execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", (*place, revision, body))
        execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)", (revision, event.type.value, *place, body))


def _events(rows: Iterable[tuple[int, str, str, str, str, bytes]]) -> tuple[Event, ...]:
    last: dict[Key, Stored] = {}
    events = []
    for revision, kind, resource, namespace, name, body in rows:
        key = Key(resource, namespace, name)
        stored = Stored(key, msgspec.json.decode(body), revision)
        previous = last.get(key) if kind != EventType.ADDED.value else None
        events.append(Event(EventType(kind), stored, previous))
        last[key] = stored
    return tuple(events)


def integrity(path: Path) -> str:
    """What SQLite says of the file: "ok", or what is broken."""
    opened = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return str(opened.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as problem:
        return str(problem)
    finally:
        opened.close()
