"""YAML as a tree that remembers lines and the text of every scalar, so that `1.10` stays `1.10` and a finding has a line.

Booleans are YAML 1.2's (`true` and `false`): in Compose, `on` and `yes` are words.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml
from yaml.constructor import ConstructorError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")


class NotYaml(Exception):
    """The text is not YAML. `line` is where."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.line = line


@dataclass(frozen=True, slots=True)
class Scalar:
    """A leaf. `kind` is string, integer, number, boolean or null."""

    text: str
    kind: str
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping, in the order of the file. Keys are unique: the last of two wins."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    line: int

    def get(self, key: str) -> "Node | None":
        """The value of `key`; None when it is absent or null."""
        for name, node in self.entries:
            if name.text == key:
                return None if isinstance(node, Scalar) and node.kind == "null" else node
        return None

    def __iter__(self) -> Iterator[tuple[str, "Node"]]:
        return ((name.text, node) for name, node in self.entries)


Node = Scalar | Sequence | Mapping


def tree(text: str) -> Node | None:
    """The only document of `text`; None for an empty one. Aliases and merge keys are resolved. Raises NotYaml."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return None if root is None else _node(loader, root, 0)
    except (yaml.MarkedYAMLError, ConstructorError) as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(error.problem or str(error), mark.line + 1 if mark else 1) from error
    except yaml.YAMLError as error:
        raise NotYaml(str(error), 1) from error
    finally:
        loader.dispose()


def _node(loader: Any, node: Any, depth: int) -> Node:
    if depth > 64:
        raise NotYaml("it is nested more than 64 levels deep", node.start_mark.line + 1)
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        entries = {key.value: (_scalar(key), _node(loader, value, depth + 1)) for key, value in node.value}
        return Mapping(tuple(entries.values()), line)
    if isinstance(node, yaml.SequenceNode):
        return Sequence(tuple(_node(loader, item, depth + 1) for item in node.value), line)
    return _scalar(node)


def _scalar(node: Any) -> Scalar:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode):
        raise NotYaml("a key must be a word", line)
    return Scalar(node.value, kind(node.value) if node.style in (None, "") else "string", line)


def kind(text: str) -> str:
    """What an unquoted `text` is."""
    if text in ("", "~", "null", "Null", "NULL"):
        return "null"
    if text in ("true", "false", "True", "False", "TRUE", "FALSE"):
        return "boolean"
    if _INTEGER.match(text):
        return "integer"
    return "number" if _NUMBER.match(text) else "string"


def mapped(node: Node, change: Callable[[Scalar], Scalar]) -> Node:
    """The same tree with every value (not the keys) replaced by `change` of it."""
    match node:
        case Scalar():
            return change(node)
        case Sequence():
            return replace(node, items=tuple(mapped(item, change) for item in node.items))
        case Mapping():
            return replace(node, entries=tuple((key, mapped(value, change)) for key, value in node.entries))


def plain(node: Node | None) -> Any:
    """The tree as Python values."""
    match node:
        case None:
            return None
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {name: plain(value) for name, value in node}
        case Scalar(text, "integer"):
            return int(text)
        case Scalar(text, "number"):
            return float(text)
        case Scalar(text, "boolean"):
            return text.lower() == "true"
        case Scalar(_, "null"):
            return None
        case Scalar(text):
            return text
