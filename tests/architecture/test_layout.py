"""The rules of ARCHITECTURE.md as tests: names, sizes, purity and docstrings."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "weft"
FILES = tuple(sorted(path for path in SOURCE.rglob("*.py") if "proto" not in path.parts))
VAGUE = re.compile(r"^(utils?|helpers?|common|base|misc|managers?|handlers?|processors?|data|info)$")
FORBIDDEN_IN_PURE = {"asyncio", "socket", "ssl", "subprocess", "threading", "time", "random", "logging", "os", "sqlite3", "grpc"}
PURE = ("resource", "model", "translate", "compile", "simulate", "evidence")


def _name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_has_at_most_600_lines(path: Path) -> None:
    """A file over 600 lines holds more than one noun."""
    assert len(path.read_text().splitlines()) <= 600


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_module_is_named_after_a_noun_of_the_field(path: Path) -> None:
    """No module or package is named utils, helpers, common, base, misc, manager, handler, processor, data or info."""
    assert not [part for part in path.relative_to(SOURCE).with_suffix("").parts if VAGUE.match(part)]


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_module_says_what_it_is(path: Path) -> None:
    """Every module has a docstring, and so has every public class and function at its top level."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the module"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize("path", [path for path in FILES if path.relative_to(SOURCE).parts[0] in PURE], ids=_name)
def test_the_core_does_no_io(path: Path) -> None:
    """resource, model, translate and compile import nothing that touches the world or the clock."""
    assert not {name.split(".")[0] for name in _imports(path)} & FORBIDDEN_IN_PURE


@pytest.mark.parametrize("path", [path for path in FILES if path.relative_to(SOURCE).parts[0] == "xds"], ids=_name)
def test_the_protocol_does_no_io_but_in_its_server(path: Path) -> None:
    """The files of xds but server.py import nothing that touches the world or the clock."""
    if path.name != "server.py":
        assert not {name.split(".")[0] for name in _imports(path)} & FORBIDDEN_IN_PURE


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_grpc_stays_at_the_edges(path: Path) -> None:
    """grpc appears only in server.py, sds.py, xds_relay.py, *_client.py, and what ships for tests."""
    edges = path.name in ("server.py", "sds.py", "xds_relay.py") or path.name.endswith("_client.py") or "testing" in path.parts
    if not edges:
        assert "grpc" not in {name.split(".")[0] for name in _imports(path)}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("__init__.py")), ids=_name)
def test_nothing_is_re_exported(path: Path) -> None:
    """An __init__.py is a page about its package; it imports nothing."""
    assert not _imports(path)


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_test_states_a_fact(path: Path) -> None:
    """Every test function has a docstring of one sentence."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            assert ast.get_docstring(node), node.name
