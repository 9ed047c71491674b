"""What is kept of an Envoy on disk."""

from pathlib import Path

from weft.agent.held import HeldFiles, HeldResource, decode
from weft.envoy.types import CLUSTER


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Types, names, versions and bytes; and nothing after it was forgotten."""
    files = HeldFiles(tmp_path / "held")
    held = {CLUSTER: {"a": HeldResource("1", b"\x00\xff", ("b",))}}
    files.write("default/web-0", held)
    assert files.read("default/web-0") == held
    assert files.read("default/web-1") == {}
    files.forget("default/web-0")
    assert files.read("default/web-0") == {}


def test_a_file_that_is_not_readable_is_nothing() -> None:
    """Whatever stood in it can be asked for again."""
    assert decode(b"half a fi") == {}
