"""`POST /weft/v1/apply`: many objects, judged together, written in one transaction or not at all.

Request: `{"objects": [...], "dryRun": bool, "fieldManager": str, "refuse": [finding codes], "fieldValidation": str}`.
Answer (200 when applied, 422 when refused): `{"applied": bool, "results": [...], "findings": [...]}`, a result for each object
with its kind, namespace, name and `outcome` (created, configured, unchanged), a finding with the `object`'s number.

As `kubectl apply`, it keeps in an annotation what was applied, and removes fields that were in it and are no longer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from weft.controlplane.api import lifecycle
from weft.controlplane.api.change import Change, Judged, Options, Resources, judged, written
from weft.controlplane.api.status import Refused, bad_request, conflict
from weft.controlplane.api.target import Target
from weft.controlplane.api.three_way import annotated, updated
from weft.finding import Finding
from weft.messages import finding
from weft.ref import Ref
from weft.resource import unknown_kind
from weft.resource.kind import Kind
from weft.store.store import Conflict, Json, Key, Stored

Place = tuple[Kind, Key]


class Request(msgspec.Struct, frozen=True, rename="camel"):
    """What is asked."""

    objects: list[dict[str, Any]]
    dry_run: bool = False
    field_manager: str = "weft"
    field_validation: str = "Strict"
    refuse: list[str] = []


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    applied: bool
    results: Sequence[Json]
    findings: Sequence[Json]

    def body(self) -> Json:
        """As JSON."""
        return {"applied": self.applied, "results": self.results, "findings": self.findings}


async def apply(resources: Resources, sent: bytes) -> Answer:
    """Applies what was sent. Raises Refused (400) when it is no such request, (409) when it raced with another writer."""
    try:
        request = msgspec.json.decode(sent, type=Request)
    except msgspec.DecodeError as problem:
        raise bad_request(f"not a request to apply: {problem}") from None
    options = Options(request.dry_run, request.field_validation, frozenset(request.refuse))
    async with resources.writing:
        return await _apply(resources, request.objects, options)


async def _apply(resources: Resources, objects: Sequence[Json], options: Options) -> Answer:
    unreadable = [(number, found) for number, raw in enumerate(objects) if (found := _unreadable(raw, resources.kinds))]
    if unreadable:
        return _refused(unreadable)
    changes = [_change(resources, raw, place, await resources.store.get(place[1])) for raw, place in _places(resources, objects)]
    misplaced = [*_repeated(changes), *_missing_namespaces(changes, await _namespaces(resources))]
    if misplaced:
        return _refused(misplaced)
    verdict = await judged(resources, changes, options)
    findings = _located(verdict, changes)
    if verdict.refused:
        return Answer(False, [], findings)
    try:
        await written(resources, verdict.changes, options)
    except Conflict as raced:
        kind = next(change.kind for change in changes if change.key == raced.key)
        raise conflict(kind, raced.key.name, "another writer changed it at the same moment: apply again") from None
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


def _places(resources: Resources, objects: Sequence[Json]) -> list[tuple[Json, Place]]:
    """Each object with its kind and its key."""
    placed = []
    for raw in objects:
        kind = next(each for each in resources.kinds if raw["kind"] == each.kind and raw["apiVersion"] in each.api_versions)
        namespace = (raw["metadata"].get("namespace") or "default") if kind.namespaced else ""
        placed.append((raw, (kind, Key(kind.resource, namespace, raw["metadata"]["name"]))))
    return placed


def _change(resources: Resources, raw: Json, place: Place, old: Stored | None) -> Change:
    kind, key = place
    addressed = lifecycle.addressed(Target(kind, kind.versions[0], key.namespace, key.name), raw)
    wanted = annotated(addressed, raw["apiVersion"])
    if not old:
        return Change(kind, key, None, lifecycle.created(kind, wanted, resources.now(), resources.uid()))
    return Change(kind, key, old, lifecycle.replaced(kind, old.body, updated(old.body, wanted)))


def _repeated(changes: Sequence[Change]) -> list[tuple[int, Finding]]:
    first: dict[Key, int] = {}
    return [
        (number, finding("duplicate", _ref(change), what=change.kind.kind, name=change.key.name, hint="keep one of them"))
        for number, change in enumerate(changes)
        if first.setdefault(change.key, number) != number
    ]


async def _namespaces(resources: Resources) -> frozenset[str]:
    found, _ = await resources.store.list("namespaces")
    return frozenset(stored.key.name for stored in found if not stored.body["metadata"].get("deletionTimestamp"))


def _missing_namespaces(changes: Sequence[Change], existing: frozenset[str]) -> list[tuple[int, Finding]]:
    known = existing | {change.key.name for change in changes if change.kind.resource == "namespaces"} | {""}
    return [
        (number, finding("missing-namespace", _ref(change).at("metadata.namespace"), namespace=change.key.namespace))
        for number, change in enumerate(changes)
        if change.key.namespace not in known
    ]


def _ref(change: Change) -> Ref:
    return Ref(change.kind.group, change.kind.kind, change.key.namespace, change.key.name)


def _refused(found: Sequence[tuple[int, Finding]]) -> Answer:
    return Answer(False, [], [_told(each, number) for number, each in found])


def _located(verdict: Judged, changes: Sequence[Change]) -> list[Json]:
    numbers = {_ref(change): number for number, change in enumerate(changes)}
    return [_told(found, numbers.get(found.ref.resource)) for found in verdict.findings]


def _told(found: Finding, number: int | None) -> Json:
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
