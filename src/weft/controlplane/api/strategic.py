"""Kubernetes' strategic merge patch: a merge patch in which certain lists merge item by item.

Which lists, and by which key, is written in Kubernetes' Go types; the few that our core kinds have are listed here.
Directives: `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/`, `$setElementOrder/`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Path = tuple[str, ...]

MERGE_KEYS: Mapping[Path, str] = {
    ("spec", "ports"): "port",
    ("status", "conditions"): "type",
    ("metadata", "ownerReferences"): "uid",
}
"""Lists of objects that are maps by the value of a field."""

SETS: frozenset[Path] = frozenset({("metadata", "finalizers")})
"""Lists of values that are sets."""

_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"


def merged(target: Any, patch: Mapping[str, Any], path: Path = ()) -> Any:
    """`target` after `patch`. `path` is where both stand in the object."""
    result = dict(target) if isinstance(target, Mapping) else {}
    match patch.get("$patch"):
        case "replace":
            return {name: value for name, value in patch.items() if name != "$patch"}
        case "delete":
            return {}
    if (retained := patch.get("$retainKeys")) is not None:
        result = {name: value for name, value in result.items() if name in retained}
    for name, value in patch.items():
        if not name.startswith("$"):
            _merge_field(result, name, value, path)
    for name, value in patch.items():
        _direct(result, name, value, path)
    return result


def _merge_field(result: dict[str, Any], name: str, value: Any, path: Path) -> None:
    at = (*path, name)
    if value is None:
        result.pop(name, None)
    elif isinstance(value, Mapping):
        result[name] = merged(result.get(name), value, at)
    elif isinstance(value, list) and at in MERGE_KEYS:
        result[name] = _merged_list(result.get(name) or [], value, MERGE_KEYS[at], at)
    elif isinstance(value, list) and at in SETS:
        result[name] = list(dict.fromkeys([*(result.get(name) or []), *value]))
    else:
        result[name] = value


def _direct(result: dict[str, Any], name: str, value: Any, path: Path) -> None:
    if name.startswith(_DELETE):
        field = name.removeprefix(_DELETE)
        result[field] = [item for item in result.get(field) or [] if item not in value]
    elif name.startswith(_ORDER):
        field = name.removeprefix(_ORDER)
        if field in result:
            result[field] = _ordered(result[field], value, MERGE_KEYS.get((*path, field)))


def _merged_list(items: Sequence[Any], patch: Sequence[Any], key: str, path: Path) -> list[Any]:
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    result = list(items)
    for change in patch:
        at = next((number for number, item in enumerate(result) if item.get(key) == change.get(key)), None)
        if change.get("$patch") == "delete":
            result = [item for item in result if item.get(key) != change.get(key)]
        elif at is None:
            result.append(merged({}, change, path))
        else:
            result[at] = merged(result[at], change, path)
    return result


def _ordered(items: Sequence[Any], order: Sequence[Any], key: str | None) -> list[Any]:
    wanted = [item[key] if key and isinstance(item, Mapping) else item for item in order]

    def rank(item: Any) -> int:
        value = item.get(key) if key else item
        return wanted.index(value) if value in wanted else len(wanted)

    return sorted(items, key=rank)
