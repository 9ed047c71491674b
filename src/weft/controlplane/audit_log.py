"""The log of every change: who, when, what, and what it was before. JSON lines in a file that only its owner reads.

Lines are only ever added; a full file is kept beside the new one, the oldest goes. Nothing secret is in it (see `difference`).
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

log = logging.getLogger("weft.audit")
Entry = Mapping[str, Any]
LARGEST = 32 << 20
KEPT = 4


class AuditLog:
    """The file `path`. Sizes are in bytes; with `kept` older files beside it."""

    def __init__(self, path: Path, clock: Callable[[], datetime], *, largest: int = LARGEST, kept: int = KEPT) -> None:
        self._path, self._clock, self._largest, self._kept = path, clock, largest, kept

    def write(self, entry: Entry) -> None:
        """Adds an entry with its time. One that cannot be written is said in the server's log: the change has happened."""
        line = json.dumps({"time": self._clock().isoformat(timespec="milliseconds"), **entry}, separators=(",", ":")) + "\n"
        try:
            if self._path.exists() and self._path.stat().st_size + len(line) > self._largest:
                self._turn()
            with open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as file:
                file.write(line)
        except OSError as problem:
            log.error('event=not-audited reason="%s" user=%s path=%s', problem, entry.get("user"), entry.get("path"))

    def _turn(self) -> None:
        for number in range(self._kept, 1, -1):
            older = self._at(number - 1)
            if older.exists():
                older.replace(self._at(number))
        self._path.replace(self._at(1))

    def _at(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def entries(self, since: str = "", limit: int = 1000) -> list[Entry]:
        """The newest entries, the oldest of them first: at most `limit`, and none before `since` (RFC 3339, UTC)."""
        found: list[Entry] = []
        for path in (self._path, *map(self._at, range(1, self._kept + 1))):
            for entry in _backwards(path):
                if len(found) >= limit or str(entry.get("time", "")) < since:
                    return found[::-1]
                found.append(entry)
        return found[::-1]


def _backwards(path: Path) -> Iterator[Entry]:
    """The entries of a file, the newest first. A line that was cut when a machine stopped is passed over."""
    if not path.exists():
        return
    for line in reversed(path.read_text().splitlines()):
        try:
            yield json.loads(line)
        except ValueError:
            continue
