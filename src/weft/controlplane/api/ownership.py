"""Who set which field: `metadata.managedFields`, kept with every object that the API writes.

At rest it is one string of JSON in the object's metadata: a tree of small dictionaries would cost ten times its memory, and
nobody looks into it between two writes. `opened` makes the list that clients see.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from weft.controlplane.api import field_set
from weft.controlplane.api.field_set import Fields
from weft.controlplane.api.status import bad_request
from weft.resource.kind import Kind
from weft.resource.list_types import ListTypes, list_types

Json = Mapping[str, Any]
FIELD = "managedFields"
APPLY, UPDATE = "Apply", "Update"
MOST_UPDATERS = 10
"""Managers with operation Update that an object keeps apart; older ones become one, as in Kubernetes."""

_ANCIENT = "ancient-changes"
BEFORE = "before-first-apply"
_META = (
    *("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", FIELD),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "generateName"),
)


@dataclass(frozen=True, slots=True)
class Owner:
    """A manager and what it set. `operation` is Apply or Update, `time` RFC 3339."""

    manager: str
    operation: str
    api_version: str
    time: str
    fields: Fields

    @property
    def who(self) -> tuple[str, str, str]:
        """What makes it one entry."""
        return self.manager, self.operation, self.api_version


def opened(body: Json) -> dict[str, Any]:
    """`body` with its managed fields as the list that clients see."""
    meta = body["metadata"]
    if not isinstance(meta.get(FIELD), str):
        return dict(body)
    return {**body, "metadata": {**meta, FIELD: msgspec.json.decode(meta[FIELD])}}


def shown(body: Json) -> dict[str, Any]:
    """The same to be written out: the text goes as it is."""
    meta = body["metadata"]
    if not isinstance(meta.get(FIELD), str):
        return dict(body)
    return {**body, "metadata": {**meta, FIELD: msgspec.Raw(meta[FIELD].encode())}}


def owners(body: Json) -> tuple[Owner, ...]:
    """Who set what in a stored object."""
    said = body["metadata"].get(FIELD)
    return tuple(_owner(entry) for entry in msgspec.json.decode(said)) if isinstance(said, str) else ()


def _owner(entry: Json) -> Owner:
    return Owner(entry["manager"], entry["operation"], entry["apiVersion"], entry.get("time", ""), entry["fieldsV1"])


def owned(body: dict[str, Any], by: Sequence[Owner]) -> dict[str, Any]:
    """`body`, set by these."""
    meta = {name: value for name, value in body["metadata"].items() if name != FIELD}
    entries = [_entry(owner) for owner in by if owner.fields]
    if entries:
        meta[FIELD] = msgspec.json.encode(entries).decode()
    return {**body, "metadata": meta}


def _entry(owner: Owner) -> dict[str, Any]:
    return {
        "manager": owner.manager,
        "operation": owner.operation,
        "apiVersion": owner.api_version,
        "time": owner.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": owner.fields,
    }


def said(body: Json) -> dict[str, Any]:
    """What managers can own of an object: no name, nothing that the API writes itself, no status."""
    meta = {name: value for name, value in body.get("metadata", {}).items() if name not in _META and value not in (None, {})}
    rest = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "metadata", "status")}
    return {"metadata": meta, **rest} if meta else rest


def updated(kind: Kind, old: Json | None, new: dict[str, Any], sent: Any, by: Owner) -> dict[str, Any]:
    """`new`, which the manager `by` (its fields empty) wrote in place of `old`. `sent` is what the client wrote as managed
    fields: None leaves them to us, and [{}] forgets them all."""
    if old is not None and sent == [{}]:
        return owned(new, ())
    types = list_types(kind)
    before = _sent(sent) if isinstance(sent, list) and sent else owners(old) if old else ()
    content = said(new)
    change = field_set.changed(said(old) if old else {}, content, (), types) or {}
    return owned(new, _limited(_after(before, by, change, content, types)))


def _sent(entries: Sequence[Any]) -> tuple[Owner, ...]:
    """The managed fields that a client wrote; what is none is left out."""
    try:
        found = [msgspec.convert(entry, _Entry) for entry in entries if entry]
    except msgspec.ValidationError as problem:
        raise bad_request(f"metadata.managedFields: {problem}") from None
    return tuple(Owner(each.manager, each.operation, each.api_version, each.time, _tree(each.fields_v1)) for each in found)


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    """A managed fields entry as a client writes it."""

    manager: str = ""
    operation: Literal["Apply", "Update"] = "Update"
    api_version: str = ""
    time: str = ""
    fields_v1: dict[str, Any] = msgspec.field(default={}, name="fieldsV1")


def _tree(fields: Any) -> Fields:
    return {str(step): _tree(inner) for step, inner in fields.items()} if isinstance(fields, Mapping) else {}


def _after(before: Sequence[Owner], by: Owner, change: Fields, content: Json, types: ListTypes) -> list[Owner]:
    """Who owns what when `by` changed `change`: the others lose it, and all lose what is gone."""
    known = any(owner.who == by.who for owner in before)
    found = []
    for owner in before if known else [*before, by]:
        if owner.who == by.who:
            left = field_set.union(field_set.existing(owner.fields, content, (), types), change)
            found.append(replace(owner, fields=left, time=by.time if change else owner.time))
        else:
            left = field_set.existing(field_set.difference(owner.fields, change), content, (), types)
            found.append(replace(owner, fields=left))
    return found


def _limited(found: Sequence[Owner]) -> Sequence[Owner]:
    updaters = sorted(
        (owner for owner in found if owner.operation == UPDATE and owner.fields),
        key=lambda owner: (owner.manager != _ANCIENT, owner.time),
    )
    if len(updaters) <= MOST_UPDATERS:
        return found
    old = updaters[: len(updaters) - MOST_UPDATERS + 1]
    one = replace(old[-1], manager=_ANCIENT)
    for owner in old:
        one = replace(one, fields=field_set.union(one.fields, owner.fields))
    return [one, *(owner for owner in found if owner not in old)]
