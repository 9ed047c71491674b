"""The tables of a database, their version, and the steps from an older version to this one.

A database written by a newer weft is refused: an older program must not write what it does not understand.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

Migration = Sequence[str]
"""SQL statements that lead from one version to the next; run in one transaction."""

FIRST: Migration = (
    """CREATE TABLE objects (
        resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
        revision INTEGER NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID""",
    """CREATE TABLE history (
        revision INTEGER PRIMARY KEY, type TEXT NOT NULL,
        resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL)""",
    "CREATE TABLE head (revision INTEGER NOT NULL)",
    "INSERT INTO head VALUES (0)",
)

MIGRATIONS: tuple[Migration, ...] = (FIRST,)
"""Step n leads from version n to n + 1. Append; never change one that was released."""


class NewerSchema(Exception):
    """The database was written by a newer weft."""

    def __init__(self, path: Path, version: int, known: int) -> None:
        super().__init__(
            f"{path} has schema version {version}; this weft knows versions up to {known}. "
            "Use the weft that wrote it, or restore a backup."
        )


def connection(path: Path) -> sqlite3.Connection:
    """An open database whose commits survive a crash of the process and of the machine (WAL, synchronous=FULL). Statements
    commit at once unless between BEGIN and COMMIT."""
    opened = sqlite3.connect(path, isolation_level=None, timeout=10)
    opened.execute("PRAGMA journal_mode=WAL")
    opened.execute("PRAGMA synchronous=FULL")
    opened.execute("PRAGMA fullfsync=ON")  # macOS: fsync alone does not reach the disk (https://sqlite.org/pragma.html)
    return opened


def version(database: sqlite3.Connection) -> int:
    """The schema version written in the database; 0 for an empty one."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema'").fetchone():
        return 0
    row = database.execute("SELECT version FROM schema").fetchone()
    return int(row[0])


def migrate(database: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Brings the database to the newest version, in one transaction. Raises NewerSchema."""
    at = version(database)
    if at > len(migrations):
        raise NewerSchema(path, at, len(migrations))
    if at == len(migrations):
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        for statement in (statement for step in migrations[at:] for statement in step):
            database.execute(statement)
        database.execute("CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL)")
        database.execute("DELETE FROM schema")
        database.execute("INSERT INTO schema VALUES (?)", (len(migrations),))
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
