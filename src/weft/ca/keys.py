"""Private keys on disk: written whole or not at all, readable by their owner only.

A write goes to a temporary file, is flushed to the disk and then takes the name, so that a crash leaves the old content
or the new one. A key that others may read is refused rather than used: it may have been copied already.
"""

import os
import secrets
import stat
from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644


class ExposedKey(Exception):
    """A key file that its group or others may read."""

    def __init__(self, path: Path, mode: int) -> None:
        super().__init__(
            f"{path} may be read by others (mode {mode:04o})\n"
            f"  hint: chmod 600 {path}, and replace the key if it may have been copied"
        )
        self.path = path


def write(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """`content` at `path`, durably, with `mode` from its first byte on. The folder is made (0700) when it is missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        _write_new(temporary, content, mode)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read(path: Path) -> bytes:
    """The content of a private file. Raises ExposedKey when others may read it, FileNotFoundError when it is missing."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & 0o077:
            raise ExposedKey(path, mode)
        return file.read()


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask says
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
