"""Sets of fields in the form in which `managedFields` writes them (fieldsV1), and what they say about an object.

A set is a tree: `f:NAME` steps to a field, `k:{...}` to the item of a list that is a map, `v:VALUE` to that of a list that is a
set. A node without children is a member; one with children is a member when it has the child `.`.
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/ (FieldsV1)
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from weft.resource.list_types import ListTypes, Path

Fields = Mapping[str, Any]
Children = Mapping[str, tuple[Any, Path]]
"""What stands directly in a value, by its step."""

EMPTY: Fields = {}
_SELF = "."


def children(value: Any, path: Path, types: ListTypes) -> Children | None:
    """The parts of `value`, which stands at `path`; None for what is owned as a whole."""
    if isinstance(value, Mapping):
        return None if path in types.atomic else {f"f:{name}": (inner, (*path, str(name))) for name, inner in value.items()}
    if not isinstance(value, list | tuple):
        return None
    if path in types.sets:
        return {f"v:{_json(item)}": (item, path) for item in value}
    if path in types.maps:
        return _items(value, path, types)
    return None


def _items(items: list[Any] | tuple[Any, ...], path: Path, types: ListTypes) -> Children | None:
    """The items of a list that is a map; None when they are no map: it is taken as a whole then, and validation says why."""
    found: dict[str, tuple[Any, Path]] = {}
    for item in items:
        step = key_step(item, types.maps[path], types)
        if step is None or step in found:
            return None
        found[step] = (item, path)
    return found


def key_step(item: Any, keys: tuple[str, ...], types: ListTypes) -> str | None:
    """`k:{"port":80,"protocol":"TCP"}`."""
    if not isinstance(item, Mapping):
        return None
    values = {key: item.get(key, types.defaults.get(key)) for key in sorted(keys)}
    return None if None in values.values() else f"k:{_json(values)}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def fields_of(value: Any, path: Path, types: ListTypes) -> Fields:
    """Every field that `value` says something about: nothing for what is one value or empty, whose own step says it all."""
    found: dict[str, Any] = {}
    for step, (inner, at) in (children(value, path, types) or {}).items():
        below = fields_of(inner, at, types)
        found[step] = {_SELF: {}, **below} if step[0] == "k" else below
    return found


def changed(old: Any, new: Any, path: Path, types: ListTypes) -> Fields | None:
    """The fields in which `new` differs from `old` or is new; None when nothing does. What is gone is not among them."""
    if old == new:
        return None
    before, after = children(old, path, types), children(new, path, types)
    if after is None or (before is None and not after):
        return EMPTY
    found = {}
    for step, (inner, at) in after.items():
        if before is None or step not in before:
            below: Fields | None = fields_of(inner, at, types)
            found[step] = {_SELF: {}, **(below or {})} if step[0] == "k" else below
        elif (below := changed(before[step][0], inner, at, types)) is not None:
            found[step] = below
    return found or None


def member(node: Fields) -> bool:
    """Whether the place of `node` itself is in the set."""
    return not node or _SELF in node


def _node(owned: bool, below: Mapping[str, Any]) -> dict[str, Any] | None:
    if not below:
        return {} if owned else None
    return {_SELF: {}, **below} if owned else dict(below)


def _steps(node: Fields) -> dict[str, Any]:
    return {step: inner for step, inner in node.items() if step != _SELF}


def union(one: Fields, other: Fields) -> Fields:
    """What is in either. Both are roots."""
    found = dict(one)
    for step, node in other.items():
        if step not in found:
            found[step] = node
        elif step != _SELF:
            mine = found[step]
            found[step] = _node(member(mine) or member(node), union(_steps(mine), _steps(node))) or {}
    return found


def difference(one: Fields, other: Fields) -> Fields:
    """What is in the root `one` and not in `other`."""
    found = {}
    for step, node in one.items():
        if step not in other:
            found[step] = node
            continue
        theirs = other[step]
        left = _node(member(node) and not member(theirs), difference(_steps(node), _steps(theirs)))
        if left is not None:
            found[step] = left
    return found


def intersection(one: Fields, other: Fields) -> Fields:
    """What is in both roots."""
    found = {}
    for step in one.keys() & other.keys():
        mine, theirs = one[step], other[step]
        both = _node(member(mine) and member(theirs), intersection(_steps(mine), _steps(theirs)))
        if both is not None:
            found[step] = both
    return {step: found[step] for step in one if step in found}


def existing(fields: Fields, value: Any, path: Path, types: ListTypes) -> Fields:
    """What of `fields` is there in `value`."""
    parts = children(value, path, types) or {}
    found = {}
    for step, node in fields.items():
        if step == _SELF:
            found[step] = node
        elif step in parts:
            inner, at = parts[step]
            left = _node(member(node), _steps(existing(node, inner, at, types)))
            if left is not None:
                found[step] = left
    return found


def paths(fields: Fields, above: str = "") -> Iterator[str]:
    """The members, as Kubernetes writes them: `.spec.ports[port=80,protocol="TCP"].name`."""
    for step, node in sorted(fields.items()):
        if step == _SELF:
            continue
        at = above + _written(step)
        if member(node):
            yield at
        yield from paths(node, at)


def _written(step: str) -> str:
    kind, _, said = step.partition(":")
    if kind == "f":
        return f".{said}"
    if kind == "v":
        return f"[={said}]"
    keys = msgspec.json.decode(said)
    return "[" + ",".join(f"{name}={_json(value)}" for name, value in sorted(keys.items())) + "]"
