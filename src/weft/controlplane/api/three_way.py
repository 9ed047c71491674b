"""What an apply makes of an object that exists: the three-way merge of `kubectl apply`.

What was applied last is kept in an annotation. A field that is there and no longer wanted is removed; a field that somebody
else set stays (https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#merge-patch-calculation).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from weft.controlplane.api.patch import merged

Json = Mapping[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def annotated(wanted: Json, api_version: str) -> dict[str, Any]:
    """`wanted` with itself, as it was written in `api_version`, in its annotation: in kubectl's form, so that each of both can
    go on with the other's objects."""
    meta = dict(wanted["metadata"])
    said = meta.get("annotations") or {}
    if not isinstance(said, Mapping):  # an operator's mistake, which decoding names
        return dict(wanted)
    annotations = {name: value for name, value in said.items() if name != LAST_APPLIED}
    plain = {**wanted, "metadata": {**meta, "annotations": annotations}}
    return {**plain, "metadata": {**meta, "annotations": {**annotations, LAST_APPLIED: last_applied(plain, api_version)}}}


def last_applied(wanted: Json, api_version: str) -> str:
    """The annotation's text for `wanted`, which does not have it."""
    applied = {name: value for name, value in wanted.items() if name != "status"} | {"apiVersion": api_version}
    return msgspec.json.encode(applied, order="sorted").decode() + "\n"


def updated(old: Json, wanted: Json) -> dict[str, Any]:
    """`old` as `wanted` (annotated) says, without what was applied last and is no longer wanted."""
    said = {name: value for name, value in wanted.items() if name != "status"}
    result = merged(old, _with(said, _removed(_last(old), said)))
    assert isinstance(result, dict)
    return result


def _last(old: Json) -> Json:
    said = (old["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        last = msgspec.json.decode(str(said)) if said else {}
    except msgspec.DecodeError:
        return {}
    return last if isinstance(last, Mapping) else {}


def _removed(last: Json, wanted: Json) -> dict[str, Any]:
    """A merge patch that removes what is in `last` and not in `wanted`."""
    gone: dict[str, Any] = {}
    for name, value in last.items():
        if name not in wanted:
            gone[name] = None
        elif isinstance(value, Mapping) and isinstance(wanted[name], Mapping) and (below := _removed(value, wanted[name])):
            gone[name] = below
    return gone


def _with(wanted: Json, removals: Json) -> dict[str, Any]:
    """One merge patch that sets and removes."""
    both = dict(wanted)
    for name, value in removals.items():
        both[name] = None if value is None else _with(wanted[name], value)
    return both
