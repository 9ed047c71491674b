"""Raw mappings -> resources: the typed body and every finding about it, in one pass.

Strict where an operator writes (`spec`: an unknown field is an error, as with kubectl's strict validation), lenient where
machines do (`metadata` unknown fields warn, `status` is taken as it is). Nothing is raised, whatever comes in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weft.finding import Finding, Severity
from weft.resource import unknown_kind
from weft.resource.kind import Kind
from weft.resource.kinds import by_kind
from weft.resource.meta import ObjectMeta
from weft.resource.problems import Problems
from weft.resource.record import record
from weft.resource.resource import Resource, ref_of
from weft.resource.shape import Reading
from weft.resource.validate import validate

_ENVELOPE = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A resource, None when an ERROR is among the findings."""

    resource: Resource | None
    findings: tuple[Finding, ...] = ()


def decode(raw: object) -> Decoded:
    """The resource in `raw`, which is whatever JSON came in. A namespaced resource that names no namespace is in
    `default`."""
    problems = Problems(ref_of(raw))
    if not isinstance(raw, Mapping):
        problems.add("wrong-type", "", problem="a resource is a mapping with apiVersion, kind and metadata", hint="")
        return Decoded(None, tuple(problems.findings))
    kind = _kind(raw, problems)
    if kind is None:
        return Decoded(None, tuple(problems.findings))
    reading = Reading(problems, [("", _top_fields(kind))])
    meta = _meta(raw, kind, reading)
    spec = _body(raw, kind, reading)
    status = raw.get("status")
    resource = Resource(kind, meta, spec, status if isinstance(status, Mapping) else {})
    meaning = Problems(problems.ref)
    validate(resource, meaning)
    problems.adopt(meaning)
    return Decoded(None if problems.failed else resource, _worst_first(problems.findings))


def _worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
    return tuple(sorted(dict.fromkeys(findings), key=lambda found: order.index(found.severity)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _kind(raw: Mapping[str, Any], problems: Problems) -> Kind | None:
    for name in ("apiVersion", "kind"):
        value = raw.get(name)
        if value is None or value == "":
            problems.add("missing-field", name, name=name)
        elif not isinstance(value, str):
            problems.add("wrong-type", name, problem=f"{name} is a text", hint="")
    api_version, name = _text(raw.get("apiVersion")), _text(raw.get("kind"))
    kind = by_kind(api_version, name)
    if kind is None and not problems.failed:
        hint = unknown_kind.hint(api_version[:253], name[:63])
        problems.add("unknown-kind", "", api_version=api_version[:253], kind=name[:63], hint=hint)
    return kind


def _meta(raw: Mapping[str, Any], kind: Kind, reading: Reading) -> ObjectMeta:
    value = raw.get("metadata")
    shape = record(ObjectMeta)
    reading.lenient = True
    meta = shape.read({} if value is None else value, "metadata", reading)
    reading.lenient = False
    assert isinstance(meta, ObjectMeta)
    namespace = (meta.namespace or "default") if kind.namespaced else ""
    return meta if meta.namespace == namespace else _moved(meta, namespace)


def _moved(meta: ObjectMeta, namespace: str) -> ObjectMeta:
    fields = {name: getattr(meta, name) for name in meta.__struct_fields__}
    return ObjectMeta(**{**fields, "namespace": namespace})


def _top_fields(kind: Kind) -> tuple[str, ...]:
    return (*_ENVELOPE, *((kind.body, "status") if kind.body else record(kind.type).fields))


def _body(raw: Mapping[str, Any], kind: Kind, reading: Reading) -> Any:
    shape = record(kind.type)
    if not kind.body:
        return shape.read({name: value for name, value in raw.items() if name not in _ENVELOPE}, "", reading)
    for name in sorted(map(str, raw.keys() - set(_top_fields(kind)))):
        hint = f"{name} belongs under {kind.body}" if name in shape.fields else _slip(name, kind)
        reading.problems.add("unknown-field", str(name), name=name, hint=hint)
    value = raw.get(kind.body)
    if value is None and kind.body_required:
        reading.problems.add("missing-field", kind.body, name=kind.body)
        return shape.empty
    return shape.read({} if value is None else value, kind.body, reading)


def _slip(name: str, kind: Kind) -> str:
    same = [known for known in _top_fields(kind) if known.lower() == name.lower()]
    return f"did you mean {same[0]}?" if same else f"fields here: {', '.join(_top_fields(kind))}"
