"""Private files."""

import stat
from pathlib import Path

import pytest

from weft.ca import keys
from weft.ca.keys import ExposedKey


def test_a_key_is_readable_by_its_owner_only_and_replaced_whole(tmp_path: Path) -> None:
    """And nothing temporary stays behind."""
    path = tmp_path / "ca" / "root.key"
    keys.write(path, b"one")
    keys.write(path, b"two")
    assert keys.read(path) == b"two" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700 and [one.name for one in path.parent.iterdir()] == ["root.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_key_that_others_may_read_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    """It may have been copied already."""
    path = tmp_path / "key"
    keys.write(path, b"one")
    path.chmod(mode)
    with pytest.raises(ExposedKey, match=r"chmod 600"):
        keys.read(path)


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    """A folder in the place of the file cannot be replaced by one."""
    path = tmp_path / "key"
    path.mkdir()
    with pytest.raises(OSError):
        keys.write(path, b"one")
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
