"""What a change changed, field by field, fit to be kept: no secret is in it, and no value is longer than it need be."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from weft.redaction import REDACTED, is_secret, redacted

_MOST, _LONGEST = 200, 300
_OURS = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def difference(kind: str, old: Any, new: Any) -> list[dict[str, Any]]:
    """Each field that differs: its `path`, what it was (`from`) and is (`to`), where it was and is. Beyond 200 the rest is
    counted. `kind` Secret: that a value changed is all that is said."""
    found = list(_fields("", _plain(old), _plain(new)))
    shown = [_shown(kind, *one) for one in found[:_MOST]]
    return shown + ([{"path": "", "more": len(found) - _MOST}] if len(found) > _MOST else [])


def _plain(of: Any) -> Any:
    """The object without what the API itself keeps in it."""
    if not isinstance(of, Mapping):
        return of
    meta = {name: value for name, value in of.get("metadata", {}).items() if name not in _OURS}
    if isinstance(meta.get("annotations"), Mapping):
        meta["annotations"] = {name: value for name, value in meta["annotations"].items() if name != _APPLIED}
    rest = {name: value for name, value in of.items() if name not in ("status", "metadata")}
    return {"metadata": meta, **rest} if meta else rest


def _fields(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if old == new:
        return
    if isinstance(old, Mapping | None) and isinstance(new, Mapping | None) and (old or new):
        for name in dict.fromkeys((*(old or {}), *(new or {}))):
            below = f"{path}.{name}" if path else name
            yield from _fields(below, (old or {}).get(name), (new or {}).get(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _fields(f"{path}[{index}]", before, after)
    else:
        yield path, old, new


def _shown(kind: str, path: str, old: Any, new: Any) -> dict[str, Any]:
    hidden = (kind == "Secret" and path.split(".")[0] in ("data", "stringData")) or is_secret(path.rpartition(".")[2])
    sides = {"from": old, "to": new}
    return {"path": path} | {name: REDACTED if hidden else _short(side) for name, side in sides.items() if side is not None}


def _short(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    text = redacted(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"
