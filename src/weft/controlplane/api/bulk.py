"""`POST /weft/v1/apply`: many objects, judged together, written in one transaction or not at all.

Request: `{"objects": [...], "dryRun": bool, "fieldManager": str, "refuse": [finding codes], "allow": [finding codes],
"fieldValidation": str}`.
Answer (200 when applied, 422 when refused): `{"applied": bool, "results": [...], "findings": [...]}`, a result for each object
with its kind, namespace, name and `outcome` (created, configured, unchanged), a finding with the `object`'s number.

As `kubectl apply`, it keeps in an annotation what was applied, and removes fields that were in it and are no longer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from weft.controlplane.api import lifecycle, ownership
from weft.controlplane.api.caller import Caller
from weft.controlplane.api.change import Change, Options, Resources, judged, settled, writer, written
from weft.controlplane.api.forbidden import forbidden
from weft.controlplane.api.roles import permits
from weft.controlplane.api.status import Refused, bad_request
from weft.controlplane.api.target import Target
from weft.controlplane.api.three_way import annotated, updated
from weft.finding import Finding, Severity
from weft.messages import finding
from weft.ref import Ref
from weft.resource import unknown_kind
from weft.resource.kind import Kind
from weft.store.store import Json, Key, Stored

Place = tuple[Kind, Key]


class Request(msgspec.Struct, frozen=True, rename="camel"):
    """What is asked."""

    objects: list[dict[str, Any]]
    dry_run: bool = False
    field_manager: str = "weft"
    field_validation: str = "Strict"
    refuse: list[str] = []
    allow: list[str] = []


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    applied: bool
    results: Sequence[Json]
    findings: Sequence[Json]

    def body(self) -> Json:
        """As JSON."""
        return {"applied": self.applied, "results": self.results, "findings": self.findings}


async def apply(
    resources: Resources, sent: bytes, caller: Caller, noted: Callable[[Sequence[Change]], None] = lambda _: None
) -> Answer:
    """Applies what was sent for `caller`; `noted` is told of what was changed. Raises Refused (400) when it is no such
    request, and 403 when the caller may not write one of the objects."""
    try:
        request = msgspec.json.decode(sent, type=Request)
    except msgspec.DecodeError as problem:
        raise bad_request(f"not a request to apply: {problem}") from None
    options = Options(
        request.dry_run,
        request.field_validation,
        frozenset(request.refuse),
        request.field_manager,
        noted=noted,
        allow=frozenset(request.allow),
    )
    async with resources.writing:
        return await settled(lambda: _apply(resources, request.objects, options, caller))


async def _apply(resources: Resources, objects: Sequence[Json], options: Options, caller: Caller) -> Answer:
    unreadable = [(number, found) for number, raw in enumerate(objects) if (found := _unreadable(raw, resources.kinds))]
    if unreadable:
        return Answer(False, [], [_json(found, number) for number, found in unreadable])
    places = _places(resources, objects)
    for kind, key in places:
        if not permits(caller.role, "patch", kind, key.namespace or (key.name if kind.resource == "namespaces" else "")):
            raise forbidden(caller, "patch", kind, key.namespace, key.name)
    numbers = {key: number for number, (_, key) in enumerate(places)}  # of an object that stands there twice, the last
    changes = [
        _change(resources, objects[number], places[number], await resources.store.get(key), options)
        for key, number in numbers.items()
    ]
    by_ref = {_ref(*place): number for number, place in enumerate(places)}
    missing = _missing_namespaces(changes, await _namespaces(resources))
    if missing:
        return Answer(False, [], _told(missing, by_ref))
    verdict = await judged(resources, changes, options)
    findings = [*_repeated(places, numbers), *_told(verdict.findings, by_ref)]
    if verdict.refused:
        return Answer(False, [], findings)
    await written(resources, verdict.changes, options)
    return Answer(True, [_result(change) for change in verdict.changes], findings)


def _unreadable(raw: Json, kinds: Sequence[Kind]) -> Finding | None:
    """What makes it impossible to say which object this is."""
    api_version, name = str(raw.get("apiVersion", "")), str(raw.get("kind", ""))
    kind = next((each for each in kinds if name == each.kind and api_version in each.api_versions), None)
    meta = raw.get("metadata")
    meta = meta if isinstance(meta, Mapping) else {}
    ref = Ref(kind.group if kind else "", name or "Resource", str(meta.get("namespace") or ""), str(meta.get("name") or ""))
    if not kind:
        return finding("unknown-kind", ref, api_version=api_version, kind=name, hint=unknown_kind.hint(api_version, name))
    if not meta.get("name"):
        return finding("missing-field", ref.at("metadata.name"), name="metadata.name")
    try:
        lifecycle.checked_name(kind, meta)
    except Refused as refused:
        return finding("invalid-value", ref.at("metadata.name"), problem=refused.causes[0].message, hint="")
    return None


def _places(resources: Resources, objects: Sequence[Json]) -> list[Place]:
    """The kind and the key of each object."""
    placed = []
    for raw in objects:
        kind = next(each for each in resources.kinds if raw["kind"] == each.kind and raw["apiVersion"] in each.api_versions)
        namespace = (raw["metadata"].get("namespace") or "default") if kind.namespaced else ""
        placed.append((kind, Key(kind.resource, namespace, raw["metadata"]["name"])))
    return placed


def _change(resources: Resources, raw: Json, place: Place, old: Stored | None, options: Options) -> Change:
    kind, key = place
    addressed = lifecycle.addressed(Target(kind, kind.versions[0], key.namespace, key.name), raw)
    wanted = annotated(addressed, raw["apiVersion"])
    by = writer(resources, kind, replace(options, api_version=raw["apiVersion"]))
    if not old:
        new = lifecycle.created(kind, wanted, resources.now(), resources.uid())
        return Change(kind, key, None, ownership.updated(kind, None, new, None, by))
    new = lifecycle.replaced(kind, old.body, updated(old.body, wanted))
    return Change(kind, key, old, ownership.updated(kind, old.body, new, None, by))


def _repeated(places: Sequence[Place], numbers: Mapping[Key, int]) -> list[Json]:
    """A warning for each object that another one of the same name follows: that one is applied, as with kubectl."""
    return [
        _json(replace(_duplicate(kind, key), severity=Severity.WARNING), number)
        for number, (kind, key) in enumerate(places)
        if numbers[key] != number
    ]


def _duplicate(kind: Kind, key: Key) -> Finding:
    return finding("duplicate", _ref(kind, key), what=kind.kind, name=key.name, hint="the last one is applied: remove the others")


async def _namespaces(resources: Resources) -> frozenset[str]:
    found, _ = await resources.store.list("namespaces")
    return frozenset(stored.key.name for stored in found if not stored.body["metadata"].get("deletionTimestamp"))


def _missing_namespaces(changes: Sequence[Change], existing: frozenset[str]) -> list[Finding]:
    known = existing | {change.key.name for change in changes if change.kind.resource == "namespaces"} | {""}
    return [
        finding("missing-namespace", _ref(change.kind, change.key).at("metadata.namespace"), namespace=change.key.namespace)
        for change in changes
        if change.key.namespace not in known
    ]


def _ref(kind: Kind, key: Key) -> Ref:
    return Ref(kind.group, kind.kind, key.namespace, key.name)


def _told(findings: Sequence[Finding], numbers: Mapping[Ref, int]) -> list[Json]:
    """Findings as JSON, each with the number of the object it is about, when it is about one that was sent."""
    return [_json(found, numbers.get(found.ref.resource)) for found in findings]


def _json(found: Finding, number: int | None) -> Json:
    ref = found.ref
    told = {
        "code": found.code,
        "severity": found.severity.value,
        "group": ref.group,
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
        "field": ref.field,
        "message": found.message,
        "hint": found.hint,
    }
    return told if number is None else {**told, "object": number}


def _result(change: Change) -> Json:
    place = {"namespace": change.key.namespace, "name": change.key.name}
    return {"resource": change.kind.resource, "kind": change.kind.kind, **place, "outcome": change.outcome}
