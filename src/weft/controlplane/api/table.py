"""Objects as a Table: the cells that `kubectl get` prints.

https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables. Values are worded as for
columns of custom resources: a date becomes an age, a list is written as JSON.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from weft.resource.kind import Column, Kind

Json = Mapping[str, Any]
NAME = Column("Name", ".metadata.name")


def table(kind: Kind, bodies: Sequence[Json], meta: Json, now: datetime, *, include: str, headed: bool = True) -> dict[str, Any]:
    """A Table of `bodies`. `include` is what each row carries of its object: `Object`, `None`, or anything else for its
    metadata. `headed` False leaves the column definitions out, as in all but the first event of a watch."""
    columns = (NAME, *kind.columns)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [_definition(column) for column in columns] if headed else [],
        "rows": [
            {"cells": [cell(column, body, now) for column in columns]} | _object(body, include)
            for body in bodies
        ],
    }  # fmt: skip


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.title,
        "type": "string" if column.type == "date" else column.type,
        "format": "name" if column is NAME else "",
        "description": f"The field {column.path}.",
        "priority": column.priority,
    }


def _object(body: Json, include: str) -> dict[str, Any]:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": body}
    return {"object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": body["metadata"]}}


def cell(column: Column, body: Json, now: datetime) -> Any:
    """What stands in `column` for `body`; nothing for an absent field."""
    found = values(column.path, body)
    if not found:
        return ""
    if column.type == "date":
        return age(str(found[0]), now)
    if column.type != "string":
        return found[0]
    return ",".join(_text(value) for value in found)


def values(path: str, body: Any) -> list[Any]:
    """What a simple JSON path (`.spec.ports[*].port`, `.status.conditions[?(@.type=="Ready")].status`) finds."""
    found = [body]
    for step in _STEP.finditer(path):
        if step["name"]:
            name = step["name"]
            found = [value[name] for value in found if isinstance(value, Mapping) and value.get(name) is not None]
        else:
            items = [item for value in found if isinstance(value, list | tuple) for item in value]
            found = [item for item in items if not step["key"] or _has(item, step["key"], step["value"])]
    return found


_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[\*\]|\[\?\(@\.(?P<key>\w+)==\"(?P<value>[^\"]*)\"\)\]")


def _has(item: Any, key: str, value: str) -> bool:
    return isinstance(item, Mapping) and item.get(key) == value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def age(timestamp: str, now: datetime) -> str:
    """How long ago, in the one or two units kubectl prints: `8s`, `5m3s`, `47h`, `3d4h`, `2y10d`."""
    try:
        seconds = int((now - datetime.fromisoformat(timestamp)).total_seconds())
    except ValueError:
        return "<unknown>"
    if seconds < 0:
        return "0s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 365 * 2:
        return f"{days}d"
    return f"{days // 365}y{days % 365}d" if days % 365 and days < 365 * 8 else f"{days // 365}y"
