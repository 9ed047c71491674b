"""The store and the CA in one file, and back: a tar with `mesh.db` and `ca/`.

The database is copied as of one commit while the mesh runs. A restore checks everything before it moves anything, and keeps
what it replaces.
"""

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from weft.store import backup as store
from weft.store.backup import BrokenBackup

_DATABASE, _AUTHORITY = "mesh.db", "ca"

__all__ = ["BrokenBackup", "read", "write"]


def write(home: Path, target: Path) -> None:
    """Writes the backup of the mesh in `home` to `target` (mode 0600), whole or not at all. Raises FileNotFoundError."""
    part = target.with_name(target.name + ".part")
    with tempfile.TemporaryDirectory(prefix="weft-backup-") as folder:
        copy = Path(folder) / _DATABASE
        store.backup(home / _DATABASE, copy)
        part.unlink(missing_ok=True)
        with (
            open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            tarfile.open(fileobj=file, mode="w") as tar,
        ):
            tar.add(copy, _DATABASE)
            if (home / _AUTHORITY).is_dir():
                tar.add(home / _AUTHORITY, _AUTHORITY)
    part.replace(target)


def read(source: Path, home: Path) -> Path:
    """Puts the backup `source` in place; the answer is the folder that keeps what was there. Raises BrokenBackup and
    FileNotFoundError before anything is changed. The mesh must not run."""
    with tempfile.TemporaryDirectory(prefix="weft-restore-", dir=home.parent) as folder:
        unpacked = Path(folder)
        try:
            with tarfile.open(source) as tar:
                tar.extractall(unpacked, filter="data")
        except tarfile.TarError:
            raise BrokenBackup(f"{source} is not a backup of weft: it is no whole tar archive") from None
        if not (unpacked / _DATABASE).is_file():
            raise BrokenBackup(f"{source} is not a backup of weft: it has no {_DATABASE}")
        store.restore(unpacked / _DATABASE, unpacked / "checked.db")
        return _replaced(unpacked, home)


def _replaced(unpacked: Path, home: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    kept = Path(tempfile.mkdtemp(prefix="before-restore-", dir=home))
    for name in (_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-shm", _AUTHORITY):
        if (home / name).exists():
            shutil.move(home / name, kept / name)
    shutil.move(unpacked / "checked.db", home / _DATABASE)
    if (unpacked / _AUTHORITY).is_dir():
        shutil.move(unpacked / _AUTHORITY, home / _AUTHORITY)
        _protect(home / _AUTHORITY)
    return kept


def _protect(folder: Path) -> None:
    """Private again, whatever the archive's way had made of it."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o644 if path.suffix == ".crt" else 0o600)
