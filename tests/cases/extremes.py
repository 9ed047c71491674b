"""Every field of every kind that some story has, one after another with values at the edges of what it may hold.

A value is refused with a finding, or the mesh with it is translated and compiled; nothing raises.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from story import Story, stories

from weft.compile.snapshot import Cache, snapshot
from weft.controlplane.touched import touched
from weft.finding import Severity
from weft.model.mesh import Change, Mesh, Settings
from weft.resource import shape
from weft.resource.decode import decode
from weft.resource.kinds import by_kind
from weft.resource.record import Record, record
from weft.resource.resource import Resource
from weft.resource.yaml_document import documents
from weft.translate.mesh import translation

INTEGERS = (-(2**63), -(2**31) - 1, -(2**31), -1, 0, 1, 99, 100, 101, 599, 600, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31)
LARGE = (2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, 1.5, 1e308, float("inf"), float("nan"), True, "1")
FLOATS = (-1.0, -1e-9, 0.0, 1e-300, 1e-9, 0.1 + 0.2, 99.999999, 100.0, 100.0000001, *LARGE)
DURATIONS = (
    *("0s", "-1s", "0.000000001s", "1ns", "999us", "1ms", "1.5ms", "24h", "24.1h", "8760h", "2147483647s", "2147483648s"),
    *("4294967295s", "4294967296s", "9223372036s", "315576000000s", "315576000001s", "1e9s", "99999999999999999999h", "1h1h"),
    *("s", "∞s", "1s\n", "٣s"),
)
TEXTS = (
    *("", " ", ".", "*", "*.", "a" * 300, "a" * 70_000, "\x00", "a\x00b", "a\r\nb: c", "\u202egnp", "ä", "例え"),
    *("\U0001f600", "\ud800"),
    *("%", "%REQ(", "%%", "{", "${x}", "/", "//", "../..", ":", ":80", "a:99999", "[::1]", "::", "-", "_", "true", "0"),
    *("a|b", "outbound|80||a", "10.0.0.0/33", "1.2.3.4/0", "(", "(a+)+$", "((a{1,1000}){1,1000}){1,1000}", "\\", "\\1", "\\9"),
)


@dataclass(frozen=True)
class Place:
    """A field of one resource of a story, and the steps that lead to it."""

    story: Story
    number: int
    steps: tuple[str | int, ...]
    shape: shape.Shape

    @property
    def name(self) -> str:
        """What field it is, whatever the story."""
        raw = _raw(self.story)[self.number]
        return ".".join((str(raw["kind"]), *(each for each in self.steps if isinstance(each, str))))

    def values(self) -> Sequence[Any]:
        """What to put there."""
        match self.shape:
            case shape.Number(whole=True):
                return (*INTEGERS, *LARGE)
            case shape.Number():
                return FLOATS
            case shape.Text(check=check) if check.startswith("duration"):
                return DURATIONS
            case shape.Text() | shape.Either() | shape.Choice():
                return (*TEXTS, 0, -1, 70_000)
        return ()

    def with_value(self, value: Any) -> dict[str, Any]:
        """The resource with another value there."""
        found: dict[str, Any] = _with(_raw(self.story)[self.number], self.steps, value)
        return found


@cache
def _raw_of(folder: Path) -> Sequence[Mapping[str, Any]]:
    found, _ = documents((folder / "resources.yaml").read_text(), "resources.yaml")
    return [each.raw for each in found]


def _raw(story: Story) -> Sequence[Mapping[str, Any]]:
    return _raw_of(story.folder)


def _with(value: Any, steps: Sequence[str | int], new: Any) -> Any:
    if not steps:
        return new
    first, *rest = steps
    if isinstance(value, Mapping):
        return {**value, first: _with(value[str(first)], rest, new)}
    return [_with(each, rest, new) if number == first else each for number, each in enumerate(value)]


def places() -> Iterator[Place]:
    """Each field once, of the first story that has it."""
    seen = set()
    for story in stories():
        for number, raw in enumerate(_raw(story)):
            for steps, of in _leaves(raw):
                place = Place(story, number, steps, of)
                if place.name not in seen:
                    seen.add(place.name)
                    yield place


def _leaves(raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], shape.Shape]]:
    kind = by_kind(str(raw.get("apiVersion")), str(raw.get("kind")))
    if kind is None:
        return
    if kind.body:
        yield from _below(raw.get(kind.body), record(kind.type), (kind.body,))
    else:
        yield from _below({name: raw[name] for name in record(kind.type).fields if name in raw}, record(kind.type), ())


def _below(value: Any, of: shape.Shape, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], shape.Shape]]:
    match of, value:
        case Record(), Mapping():
            for name, inner in value.items():
                if name in of.fields:
                    yield from _below(inner, of.fields[name].shape, (*steps, name))
        case shape.Sequence(), list():
            for number, inner in enumerate(value):
                yield from _below(inner, of.of, (*steps, number))
        case shape.Table(), Mapping():
            for name, inner in value.items():
                yield from _below(inner, of.of, (*steps, name))
        case _ if value is not None:
            yield steps, of


def problem(place: Place, value: Any) -> str:
    """What goes wrong with `value` there that is no finding; nothing, when all is well."""
    try:
        decoded = decode(place.with_value(value))
        if decoded.resource is None or any(one.severity is Severity.ERROR for one in decoded.findings):
            return ""
        return _compiled(_resources(place, decoded.resource), place.story)
    except Exception as raised:  # whatever it is, it is what is looked for
        return f"{type(raised).__name__}: {raised}"


def _resources(place: Place, new: Resource) -> list[Resource]:
    found = [new if number == place.number else each for number, each in enumerate(_decoded(place.story.folder))]
    return [each for each in found if each is not None]


@cache
def _decoded(folder: Path) -> Sequence[Resource | None]:
    return [decode(raw).resource for raw in _raw_of(folder)]


def _compiled(resources: Sequence[Resource], story: Story) -> str:
    mesh = translation(Settings(), resources).mesh
    hosts = frozenset({*mesh.services, *mesh.routes, *mesh.policies})
    for proxy in story.proxies.values():
        snapshot(mesh, proxy, Cache()).listeners()
    made = touched(Mesh(mesh.settings), mesh, Change(hosts), Cache())
    return "; ".join(sorted({each.problem for each in made if each.problem}))
