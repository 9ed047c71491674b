"""docs/supported.md: of every field of every kind, whether it works as its specification says.

Written from the marks on the fields; what a mark cannot say stands in `NOTES`, and tests keep both true.
"""

from collections.abc import Iterator
from typing import Any

from weft.resource.kind import Kind
from weft.resource.kinds import KINDS
from weft.resource.record import Field, Record, record
from weft.resource.shape import Sequence, Shape, Table
from weft.resource.unknown_kind import LATER

_HEAD = """# Supported fields

Of each field of each kind, whether it works as its specification says. Written from the code
(`python -m weft.cli.field_reference docs`).

- **yes**: it has the meaning of its specification. A note says where that has a bound; [limits](limits.md) say more.
- **not yet**: it is accepted and has no effect; each use is a finding, `unsupported-field`, with its line.

A field that is not here is refused (`unknown-field`). A structure that stands in several places is told once for each kind.
"""

NOTES = {
    ("DestinationRule", "LoadBalancer.simple"): "`PASSTHROUGH` acts as `LEAST_REQUEST`, with a finding",
    ("EnvoyFilter", "ConfigPatch.applyTo"): "all but `BOOTSTRAP`",
    ("EnvoyFilter", "ProxyMatch.proxyVersion"): "compared with Envoy's version",
    ("EnvoyFilter", "ProxyMatch.metadata"): "the workload's labels, and NAMESPACE, NAME, SERVICE_ACCOUNT",
    ("EnvoyFilter", "ListenerMatch.portNumber"): "outbound at a sidecar: inserted HTTP filters, and upstreams",
    ("EnvoyFilter", "EnvoyFilter.targetRefs"): "Gateways of the Gateway API",
}
"""By kind, and by structure and field."""


def supported() -> str:
    """The page."""
    lines = [_HEAD]
    for kind in sorted(KINDS, key=lambda one: (one.group, one.kind)):
        lines += [f"## {kind.kind} ({kind.group or 'core'})\n", "| field | supported |", "|---|---|"]
        lines += [f"| `{path}` | {_said(kind, owner, field)} |" for path, owner, field in fields(kind)]
        lines.append("")
    lines += [
        "## Kinds that are not served\n",
        "Each is refused (`unknown-kind`) with a hint: " + ", ".join(f"`{one}`" for one in LATER) + ".",
        "",
    ]
    return "\n".join(lines)


def fields(kind: Kind) -> Iterator[tuple[str, str, Field]]:
    """Every field of a kind once: where it first stands, the structure it is of, and its declaration. What is in a field
    without effect is left out."""
    yield from _fields(record(kind.type), kind.body, set())


def _fields(shape: Shape, path: str, seen: set[Any]) -> Iterator[tuple[str, str, Field]]:
    inner, path = unwrapped(shape, path)
    if not isinstance(inner, Record) or inner.type in seen:
        return
    seen.add(inner.type)
    for field in inner.fields.values():
        place = f"{path}.{field.name}" if path else field.name
        yield place, inner.type.__name__, field
        if has_effect(field):
            yield from _fields(field.shape, place, seen)


def unwrapped(shape: Shape, path: str) -> tuple[Shape, str]:
    """What is in lists and mappings, and its path."""
    while isinstance(shape, Sequence | Table):
        path, shape = path + ("[]" if isinstance(shape, Sequence) else "[*]"), shape.of
    return shape, path


def has_effect(field: Field) -> bool:
    """Whether the field is supported, if only with some values."""
    return field.marks.get("supported", True) is not False or field.marks.get("unless") is not None


def _said(kind: Kind, owner: str, field: Field) -> str:
    marks = field.marks
    if not has_effect(field):
        return "not yet" + (f": {marks['hint']}" if marks.get("hint") else "")
    notes = [NOTES.get((kind.kind, f"{owner}.{field.name}"), "")]
    if marks.get("supported", True) is False:
        notes.append(f"only `{_plain(marks['unless'])}`" + (f": {marks['hint']}" if marks.get("hint") else ""))
    if marks.get("deprecated"):
        notes.append(f"deprecated: use `{marks['deprecated']}`")
    return "yes" + "".join(f"; {note}" for note in notes if note)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
