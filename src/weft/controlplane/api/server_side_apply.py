"""Server-side apply: an object becomes what its managers say, and a manager that would change what another one set is told so.

In: the object, and a configuration that one manager applies. Out: the object after it, or the conflicts.
https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from weft.controlplane.api import field_set, merge, three_way
from weft.controlplane.api.field_set import Fields
from weft.controlplane.api.ownership import APPLY, BEFORE, UPDATE, Owner, owners, said
from weft.controlplane.api.status import Cause, Refused
from weft.resource.kind import Kind
from weft.resource.list_types import ListTypes, list_types

Json = Mapping[str, Any]
KUBECTL = "kubectl"


def configuration(raw: Json) -> dict[str, Any]:
    """What an applied object says: nulls are absence, and a status is not for this path."""
    return {**_present({name: value for name, value in raw.items() if name != "status"}), "metadata": _present(raw["metadata"])}


def _present(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _present(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_present(inner) for inner in value]
    return value


def first(kind: Kind, config: Json, by: Owner) -> tuple[Owner, ...]:
    """Who owns what in an object that `by` (its fields empty) makes."""
    return (replace(by, fields=field_set.fields_of(said(config), (), list_types(kind))),)


def applied(kind: Kind, live: Json, config: Json, by: Owner, *, force: bool) -> tuple[dict[str, Any], tuple[Owner, ...]]:
    """The object after `by` applied `config` to `live`, and who owns what in it then. Raises Refused (409) with the conflicts."""
    types = list_types(kind)
    before = owners(live) or _before_first(live, types, by)
    wanted = said(config)
    mine = replace(by, fields=field_set.fields_of(wanted, (), types))
    others = [owner for owner in before if owner.who[:2] != by.who[:2]]
    last = [owner for owner in before if owner.who[:2] == by.who[:2]]
    old = said(live)
    new = _merged(old, wanted, last, [mine, *others], types)
    change = field_set.changed(old, new, (), types) or {}
    conflicts = [(owner, lost) for owner in others if (lost := field_set.intersection(owner.fields, change))]
    if conflicts and not force and not _was_applied(live, by, conflicts, types):
        raise conflict(kind, config["metadata"]["name"], conflicts)
    after = _after(before, mine, change, new, types)
    if by.manager == KUBECTL and _last_applied(new) is not None:
        new = _annotated(new, config)
    return {**_rest(live), **new, "metadata": {**_identity(live), **new.get("metadata", {})}}, after


def _after(before: Sequence[Owner], mine: Owner, change: Fields, new: Json, types: ListTypes) -> tuple[Owner, ...]:
    """Who owns what then: each keeps its place, so that appliers who take turns change nothing."""
    found: list[Owner] = []
    for owner in before:
        if owner.who[:2] != mine.who[:2]:
            left = field_set.existing(field_set.difference(owner.fields, change), new, (), types)
            found.append(replace(owner, fields=left))
        elif mine not in found:
            mine = replace(mine, time=owner.time) if owner.fields == mine.fields else mine
            found.append(mine)
    return tuple(found) if mine in found else (*found, mine)


def _before_first(live: Json, types: ListTypes, by: Owner) -> tuple[Owner, ...]:
    """An object that nobody is known to have set was set by somebody."""
    return (Owner(BEFORE, UPDATE, by.api_version, by.time, field_set.fields_of(said(live), (), types)),)


def _merged(old: Json, wanted: Json, last: Sequence[Owner], holders: Sequence[Owner], types: ListTypes) -> dict[str, Any]:
    """`old` with what is wanted, without what was wanted last and nobody wants any more."""
    gone: Fields = {}
    for owner in last:
        gone = field_set.union(gone, owner.fields)
    kept: Fields = {}
    for owner in holders:
        kept = field_set.union(kept, owner.fields)
    new = merge.without(merge.merged(old, wanted, (), types), gone, kept, (), types)
    assert isinstance(new, dict)
    return new


def _rest(live: Json) -> dict[str, Any]:
    return {name: live[name] for name in ("apiVersion", "kind", "status") if name in live}


def _identity(live: Json) -> dict[str, Any]:
    mine = said(live).get("metadata", {})
    return {name: value for name, value in live["metadata"].items() if name not in mine}


def _last_applied(live: Json) -> str | None:
    found = (live.get("metadata", {}).get("annotations") or {}).get(three_way.LAST_APPLIED)
    return found if isinstance(found, str) else None


def _annotated(new: dict[str, Any], config: Json) -> dict[str, Any]:
    """kubectl's annotation, where it is kept, says what was applied last, so that apply without --server-side can go on."""
    meta = new.get("metadata", {})
    text = three_way.last_applied(config, config["apiVersion"])
    return {**new, "metadata": {**meta, "annotations": {**meta.get("annotations", {}), three_way.LAST_APPLIED: text}}}


def _was_applied(live: Json, by: Owner, conflicts: Sequence[tuple[Owner, Fields]], types: ListTypes) -> bool:
    """Whether kubectl conflicts with nothing but what it applied itself before, on the client's side."""
    text = _last_applied(live)
    if by.manager != KUBECTL or text is None:
        return False
    try:
        last = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return False
    mine = field_set.fields_of(said(last), (), types)
    return not any(field_set.difference(lost, mine) for _, lost in conflicts)


def conflict(kind: Kind, name: str, conflicts: Sequence[tuple[Owner, Fields]]) -> Refused:
    """The refusal, in Kubernetes' words; kubectl shows its causes."""
    found = [(_named(owner), path) for owner, lost in conflicts for path in field_set.paths(lost)]
    causes = [Cause("FieldManagerConflict", f"conflict with {who}", path) for who, path in found]
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines = [
            line
            for who in sorted({who for who, _ in found})
            for line in (f"conflicts with {who}:", *(f"- {path}" for other, path in found if other == who))
        ]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return Refused(409, "Conflict", message, group=kind.group, about=kind.plural, name=name, causes=causes)


def _named(owner: Owner) -> str:
    if owner.operation == APPLY:
        return f'"{owner.manager}"'
    return f'"{owner.manager}" using {owner.api_version}' + (f" at {owner.time}" if owner.time else "")
