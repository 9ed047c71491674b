"""Envoy's messages as operators write them in JSON: read, with the path of every mistake.

The protobuf module of an extension is imported when a value first names its type: all of them together would cost three
seconds. A TypedStruct that wraps a known type is read as that type, so that its mistakes are found and it can be merged.
https://protobuf.dev/programming-guides/json/
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from weft.resource.field_path import child, item
from weft.resource.wording import close_name, same_name, shown

Report = Callable[[str, str, str], None]
"""Called with the path of a mistake, what is wrong, and a hint."""

_PACKAGE = re.compile(r"(?:envoy|google|udpa|xds|validate)(?:\.[a-z][a-z0-9_]*)*")
_TYPED_STRUCTS = ("udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct")
_DEEPEST = 60


def read(value: Any, type_name: str, path: str, report: Report) -> Message | None:
    """The message of type `type_name` that `value` says; None after a mistake, each of which is reported."""
    kind = message_type(type_name)
    if kind is None:
        raise KeyError(type_name)
    mistakes: list[str] = []

    def noted(place: str, problem: str, hint: str) -> None:
        mistakes.append(place)
        report(place, problem, hint)

    plain = _checked(value, kind, path, noted, 0)
    if mistakes:
        return None
    made = message_factory.GetMessageClass(kind)()
    try:
        json_format.ParseDict(plain, made)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as problem:
        report(path, f"it is no {kind.name}: {_tidy(str(problem))}", "")
        return None
    return made


@cache
def message_type(name: str) -> Descriptor | None:
    """The message type of a full name (`envoy.extensions.filters.http.lua.v3.Lua`); None when Envoy has none."""
    package = name.rpartition(".")[0]
    if _PACKAGE.fullmatch(package):
        _load(package)
    try:
        return descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        return None


@cache
def _load(package: str) -> None:
    """Imports what stands in the folder of a protobuf package."""
    try:
        folder = files(import_module(package))
    except (ImportError, TypeError):
        return
    for one in sorted(found.name for found in folder.iterdir() if found.name.endswith("_pb2.py")):
        import_module(f"{package}.{one.removesuffix('.py')}")


def _checked(value: Any, kind: Descriptor, path: str, report: Report, depth: int) -> Any:
    """`value` with its names and types looked at; values of scalars are left to the parser."""
    if depth > _DEEPEST:
        report(path, "it is nested too deeply", "")
        return value
    if kind.full_name == "google.protobuf.Any":
        return _any(value, path, report, depth)
    if kind.full_name.startswith("google.protobuf."):
        return value
    if not isinstance(value, Mapping):
        report(path, f"a {kind.name} is expected here, not {shown(value)}", "")
        return value
    found: dict[str, Any] = {}
    for name, inner in value.items():
        field = _field(kind, str(name))
        if field is None:
            report(child(path, str(name)), f"Envoy's {kind.name} has no field {str(name)[:60]}", _meant(str(name), kind))
        elif inner is not None:
            found[str(name)] = _inner(inner, field, child(path, str(name)), report, depth + 1)
    return found


def _any(value: Any, path: str, report: Report, depth: int) -> Any:
    """What `@type` says; a TypedStruct as what it wraps."""
    if not isinstance(value, Mapping) or not isinstance(value.get("@type"), str):
        report(path, "a mapping with @type is expected here", 'as in "@type": type.googleapis.com/envoy...')
        return value
    url, rest = value["@type"], {name: inner for name, inner in value.items() if name != "@type"}
    name = url.rpartition("/")[2]
    inner_url = rest.get("type_url") or rest.get("typeUrl")
    if name in _TYPED_STRUCTS and isinstance(inner_url, str) and message_type(inner_url.rpartition("/")[2]) is not None:
        return _any({"@type": inner_url, **(rest.get("value") or {})}, child(path, "value"), report, depth + 1)
    kind = message_type(name)
    if kind is None:
        hint = "" if url.startswith("type.googleapis.com/") else "write it as type.googleapis.com/envoy..."
        report(child(path, "@type"), f"Envoy has no type {name[:200]}", hint)
        return value
    url = url if "/" in url else f"type.googleapis.com/{url}"
    if kind.full_name.startswith("google.protobuf."):
        return {"@type": url, **rest}
    return {"@type": url, **_checked(rest, kind, path, report, depth + 1)}


def _inner(value: Any, field: FieldDescriptor, path: str, report: Report, depth: int) -> Any:
    kind = field.message_type
    if kind is None:
        return value
    if kind.GetOptions().map_entry:
        of = kind.fields_by_name["value"].message_type
        if of is None or not isinstance(value, Mapping):
            return value
        return {str(key): _checked(inner, of, child(path, str(key)), report, depth) for key, inner in value.items()}
    if not field.is_repeated:
        return _checked(value, kind, path, report, depth)
    if not isinstance(value, list | tuple):
        report(path, f"a list is expected here, not {shown(value)}", "begin each element with a dash: - ...")
        return value
    return [_checked(inner, kind, item(path, number), report, depth) for number, inner in enumerate(value)]


def _field(kind: Descriptor, name: str) -> FieldDescriptor | None:
    found: FieldDescriptor | None = kind.fields_by_name.get(name) or kind.fields_by_camelcase_name.get(name)
    return found


def _meant(name: str, kind: Descriptor) -> str:
    known = list(kind.fields_by_name)
    if close := same_name(name, known) or close_name(name, known):
        return f"did you mean {close}?"
    return f"its fields: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}"


def _tidy(words: str) -> str:
    """The parser's words on one line."""
    return re.sub(r"\s+", " ", words).removeprefix("Failed to parse ").rstrip(".")[:300]
