"""Reads what `-f` names: files, folders (every .yaml, .yml and .json in them, sorted) and `-` for standard input."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from weft.finding import Finding
from weft.resource.yaml_document import Document, documents

SUFFIXES = (".yaml", ".yml", ".json")


class Unreadable(Exception):
    """A file that cannot be read. The text says which and why."""


def read(names: Sequence[str], *, recursive: bool = False) -> tuple[tuple[Document, ...], tuple[Finding, ...]]:
    """All documents, and what is wrong in them as YAML. Raises Unreadable."""
    found: list[Document] = []
    findings: list[Finding] = []
    for name in names:
        for file, text in _texts(name, recursive):
            more, wrong = documents(text, file)
            found += more
            findings += wrong
    return tuple(found), tuple(findings)


def _texts(name: str, recursive: bool) -> Iterable[tuple[str, str]]:
    if name == "-":
        yield "-", sys.stdin.read()
        return
    path = Path(name)
    try:
        for file in _files(path, recursive):
            yield str(file), file.read_text()
    except OSError as problem:
        raise Unreadable(f"cannot read {problem.filename or name}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{name} is not UTF-8 text") from None


def _files(path: Path, recursive: bool) -> list[Path]:
    if not path.is_dir():
        return [path]
    entries = path.rglob("*") if recursive else path.iterdir()
    found = sorted(entry for entry in entries if entry.suffix in SUFFIXES and entry.is_file())
    if not found:
        raise Unreadable(f"there is no {', '.join(SUFFIXES)} file in {path}")
    return found
