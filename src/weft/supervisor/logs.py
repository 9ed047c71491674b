"""Log files: written by the processes themselves, read here from the end. They survive whoever reads them."""

import os
from collections.abc import Iterator
from pathlib import Path

LARGEST = 64 * 1024 * 1024
"""A log over this size becomes `NAME.log.1` and begins anew."""


def last_lines(path: Path, count: int, *, since: int = 0) -> list[str]:
    """The last `count` lines of a file, none that begins before the byte `since`; of no file, none."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            block = b""
            while end > since and block.count(b"\n") <= count:
                start = max(since, end - 64 * 1024)
                file.seek(start)
                block = file.read(end - start) + block
                end = start
    except OSError:
        return []
    return block.decode("utf-8", "replace").splitlines()[-count:] if count > 0 else []


class Tail:
    """Follows one file from a position. The rest of a line is kept until it is whole."""

    def __init__(self, path: Path, *, from_end: bool = True) -> None:
        self._path = path
        self._rest = b""
        self._at = size(path) if from_end else 0

    def lines(self) -> Iterator[str]:
        """The lines that were added since the last call."""
        now = size(self._path)
        if now == self._at:
            return
        if now < self._at:
            self._at, self._rest = 0, b""
        with self._path.open("rb") as file:
            file.seek(self._at)
            added = file.read(1024 * 1024)
        self._at += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace").rstrip("\r")


def size(path: Path) -> int:
    """The bytes in a file; 0 when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def rotated(path: Path, largest: int = LARGEST) -> bool:
    """Copies a file that has grown too large to `NAME.log.1` and empties it: its writers append, and go on where they are."""
    if size(path) <= largest:
        return False
    import shutil

    shutil.copyfile(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)
    return True
