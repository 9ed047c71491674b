"""YAML with the line of every field: a stream of documents, read safely.

Built on libyaml's events instead of PyYAML's constructors: no object is ever made from a tag, nesting and expansion are
bounded (an alias bomb is a finding), a key that stands twice is an error (the last would win silently), and one broken
document does not hide the findings of the others.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from weft.finding import Finding
from weft.messages import finding
from weft.ref import Ref
from weft.resource import field_path, yaml_hint
from weft.resource.resource import ref_of
from weft.resource.yaml_scalar import key, scalar

MOST_BYTES = 32 * 1024 * 1024
MOST_VALUES = 1_000_000  # in one document, aliases expanded
MOST_EXPANDED = 100_000  # of these, by aliases
DEEPEST = 64
_START = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser, where PyYAML was built with it
_TAGS = {"tag:yaml.org,2002:str": str, "tag:yaml.org,2002:binary": str, "!": str}
_PLAIN_TAGS = tuple(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null", "map", "seq"))


@dataclass(frozen=True, slots=True)
class Document:
    """One resource of a file, as raw JSON, and where its fields stand. `line` counts from 1."""

    raw: Mapping[str, Any]
    file: str
    line: int
    lines: Mapping[str, int] = field(repr=False, default_factory=dict, compare=False)
    prefix: str = ""

    def line_of(self, path: str) -> int:
        """The line of the field at `path` (`spec.http[0].route`); of the nearest field above it when it is not there."""
        full = f"{self.prefix}.{path}" if self.prefix and path else self.prefix or path
        while full:
            if full in self.lines:
                return self.lines[full]
            full = field_path.parent(full)
        return self.line

    def located(self, found: Finding) -> Finding:
        """`found`, which is about this document, with its place."""
        return found.located(self.file, self.line_of(found.ref.field))


def documents(text: str, file: str) -> tuple[tuple[Document, ...], tuple[Finding, ...]]:
    """The resources in `text`, lists expanded, and what is wrong with it as YAML. `file` is its name in findings."""
    if len(text) > MOST_BYTES:
        found = finding("yaml-too-large", _file(file), problem=f"the file has more than {MOST_BYTES >> 20} MiB", hint="split it")
        return (), (found.located(file, 1),)
    found_documents: list[Document] = []
    findings: list[Finding] = []
    for chunk, line in _chunks(text.removeprefix("\ufeff")):
        reader = _Reader(file, line)
        try:
            for raw, at in reader.read(chunk):
                found_documents += reader.resources(raw, at)
        except yaml.YAMLError as error:
            findings.append(_syntax(error, chunk, file, line))
        except _Refused as refused:
            findings.append(refused.found)
        findings += reader.findings
    return tuple(found_documents), tuple(findings)


def _file(file: str) -> Ref:
    return Ref("", "File", "", file or "-")


def _chunks(text: str) -> Iterator[tuple[str, int]]:
    """The text between lines of `---`, and the line it begins with. Directives and comments alone are no document."""
    starts = sorted({0, *(found.start() for found in _START.finditer(text))})
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        chunk = text[start:end]
        if any(said.strip() and said[0] not in "#%" for said in chunk.removeprefix("---").splitlines()):
            yield chunk, line
        line += chunk.count("\n")


def _syntax(error: Any, chunk: str, file: str, line: int) -> Finding:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    if isinstance(error, yaml.reader.ReaderError):
        at, column = chunk.count("\n", 0, int(error.position)), 0
    else:
        if "expected ':'" in problem and getattr(error, "context_mark", None):
            mark = error.context_mark  # the key itself; the problem is noticed only after it
        at, column = (mark.line, mark.column) if mark else (0, 0)
    hint = yaml_hint.hint(problem, chunk.splitlines(), at, column)
    return finding("yaml-syntax", _file(file), problem=problem, hint=hint).located(file, line + at)


class _Refused(Exception):
    """A document that is YAML, and no resource. `found` says why."""

    def __init__(self, found: Finding) -> None:
        super().__init__(found.message)
        self.found = found


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read. `name` is the key whose value comes next; `merged` what `<<` brought."""

    value: dict[str, Any] | list[Any]
    path: str
    before: int  # values read before it
    anchor: str | None = None
    name: str | None = None
    keys: dict[str, int] = field(default_factory=dict)
    merged: list[Any] = field(default_factory=list)


class _Reader:
    """Makes values out of one chunk's events."""

    def __init__(self, file: str, line: int) -> None:
        self.file, self.line = file, line
        self.findings: list[Finding] = []
        self.lines: dict[str, int] = {}
        self.twice: list[tuple[str, str, int, int]] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.values = self.expanded = 0
        self.root: Any = None

    def read(self, chunk: str) -> Iterator[tuple[Any, int]]:
        """Each document's value, and its line."""
        at = self.line
        for event in yaml.parse(chunk, Loader=_LOADER):
            match event:
                case yaml.DocumentStartEvent():
                    self.lines, self.twice, self.anchors, self.root = {}, [], {}, None
                    self.values = self.expanded = 0
                    at = 0
                case yaml.DocumentEndEvent():
                    yield self.root, at or self.line
                case yaml.NodeEvent():
                    at = at or self.line + event.start_mark.line  # type: ignore[union-attr]
                    self.node(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self.close()

    def resources(self, raw: Any, line: int) -> list[Document]:
        """The documents of one value: itself, or the items of a List."""
        ref = ref_of(raw) if isinstance(raw, Mapping) else _file(self.file)
        for name, path, at, first in self.twice:
            self.findings.append(finding("yaml-duplicate-key", ref.at(path), name=name, line=first).located(self.file, at))
        if raw is None:
            return []
        if not isinstance(raw, Mapping):
            self.findings.append(_no_resource(raw, self.file, line))
            return []
        items = raw.get("items")
        if not (str(raw.get("kind", "")).endswith("List") and isinstance(items, list)):
            return [Document(raw, self.file, line, self.lines)]
        listed = []
        for index, one in enumerate(items):
            prefix = field_path.item("items", index)
            at = self.lines.get(prefix, line)
            if isinstance(one, Mapping):
                listed.append(Document(one, self.file, at, self.lines, prefix))
            else:
                self.findings.append(_no_resource(one, self.file, at))
        return listed

    def refuse(self, code: str, at: int, **words: object) -> _Refused:
        """The end of a document that is not read any further."""
        return _Refused(finding(code, _file(self.file), **words).located(self.file, at))

    def node(self, event: Any) -> None:
        """A scalar, an alias, or the start of a mapping or list."""
        at = self.line + event.start_mark.line
        self.count(1, at)
        parent = self.stack[-1] if self.stack else None
        if parent is not None and isinstance(parent.value, dict) and parent.name is None:
            return self.key(event, parent, at)
        path = self.place(parent, at)
        match event:
            case yaml.ScalarEvent():
                value = self.scalar(event, at)
                self.put(value, event.anchor, 1)
            case yaml.AliasEvent():
                value, size = self.anchors.get(event.anchor or "", (None, -1))
                if size < 0:
                    raise self.refuse("yaml-syntax", at, problem=f"*{event.anchor} names nothing above it", hint=_STAR)
                self.expanded += size
                self.count(size, at)
                self.put(value, None, size)
            case _:
                if len(self.stack) >= DEEPEST:
                    raise self.refuse("yaml-too-large", at, problem=f"it is nested more than {DEEPEST} deep", hint="")
                self.tag(event, at)
                value = {} if isinstance(event, yaml.MappingStartEvent) else []
                self.stack.append(_Open(value, path, self.values, event.anchor))
        return None

    def count(self, more: int, at: int) -> None:
        """Bounds what a document may grow to."""
        self.values += more
        if self.values > MOST_VALUES or self.expanded > MOST_EXPANDED:
            problem = "its aliases expand to too much" if self.expanded > MOST_EXPANDED else f"it has over {MOST_VALUES} values"
            raise self.refuse("yaml-too-large", at, problem=problem, hint="write what is repeated as resources of their own")

    def key(self, event: Any, parent: _Open, at: int) -> None:
        """The key of the next value."""
        name = key(event.value, event.implicit[0]) if isinstance(event, yaml.ScalarEvent) else None
        if name is None:
            raise self.refuse("yaml-syntax", at, problem="a key must be a text", hint="put it in quotes")
        if name in parent.keys and name != "<<":
            self.twice.append((name, field_path.child(parent.path, name), at, parent.keys[name]))
        parent.keys.setdefault(name, at)
        parent.name = name

    def place(self, parent: _Open | None, at: int) -> str:
        """The path of the value that comes now; its line is noted."""
        if parent is None:
            return ""
        if isinstance(parent.value, list):
            path = field_path.item(parent.path, len(parent.value))
            self.lines[path] = at
        else:
            path = field_path.child(parent.path, parent.name or "")
            self.lines.setdefault(path, parent.keys.get(parent.name or "", at))
        return path

    def scalar(self, event: Any, at: int) -> Any:
        """The value of a scalar: by its form when it is plain, by its tag when it has one."""
        if event.implicit[0] or event.tag in _PLAIN_TAGS:
            return scalar(event.value)
        if not event.implicit[1]:
            self.tag(event, at)
        return event.value

    def tag(self, event: Any, at: int) -> None:
        """Refuses every tag but YAML's own."""
        if event.tag is not None and event.tag not in _TAGS and event.tag not in _PLAIN_TAGS:
            raise self.refuse("yaml-syntax", at, problem=f"the tag {event.tag[:60]} is not understood", hint=_BANG)

    def put(self, value: Any, anchor: str | None, size: int) -> None:
        """Gives a finished value to what is open around it."""
        if anchor:
            self.anchors[anchor] = (value, size)
        if not self.stack:
            self.root = value
            return
        parent = self.stack[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
            return
        name, parent.name = parent.name or "", None
        if name == "<<":
            parent.merged += value if isinstance(value, list) else [value]
        else:
            parent.value.setdefault(name, value)

    def close(self) -> None:
        """The end of a mapping or list."""
        closed = self.stack.pop()
        for merged in closed.merged:
            if isinstance(merged, dict) and isinstance(closed.value, dict):
                closed.value.update({name: value for name, value in merged.items() if name not in closed.value})
        self.put(closed.value, closed.anchor, self.values - closed.before + 1)


_STAR = "a text that begins with * needs quotes: '*'"
_BANG = "a text that begins with ! needs quotes"


def _no_resource(raw: Any, file: str, line: int) -> Finding:
    hint = ""
    if isinstance(raw, str) and ":" in raw:
        hint = "a space is needed after the colon"
    elif isinstance(raw, list):
        hint = "write each resource as a document, with a line of --- between them"
    problem = "a resource is a mapping with apiVersion, kind and metadata"
    return finding("wrong-type", _file(file), problem=problem, hint=hint).located(file, line)
