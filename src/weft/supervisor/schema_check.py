"""Checks a YAML tree against `compose_schema`, with a finding for each thing that does not fit, at its line.

It reads the part of JSON Schema that our schema uses. Scalars are judged by their text: Compose, too, takes `1.0` where a
string is wanted and `"2"` where a number is.
"""

import re
from collections.abc import Iterator

from weft.finding import Finding
from weft.hostname import closest
from weft.messages import finding
from weft.ref import Ref
from weft.supervisor.compose_schema import Schema
from weft.supervisor.yaml_tree import Mapping, Node, Scalar, Sequence, kind


def checked(node: Node, schema: Schema, ref: Ref) -> Iterator[tuple[Finding, int]]:
    """Findings with their lines. A property that is known and not supported is left to the caller (`unsupported`)."""
    if "anyOf" in schema:
        fitting = [choice for choice in schema["anyOf"] if _shape(choice) == _shape_of(node)]
        if fitting:
            yield from checked(node, fitting[0], ref)
        else:
            wanted = " or ".join(_article(_shape(choice)) for choice in schema["anyOf"])
            yield _wrong(ref, f"{wanted} is wanted here, not {_article(_shape_of(node))}"), node.line
        return
    if "type" not in schema:
        return
    if isinstance(node, Scalar) and node.kind == "null" and "null" not in schema["type"]:
        return  # an empty value is an absent one, as in Compose
    if _shape(schema) != _shape_of(node):
        yield _wrong(ref, f"{_article(_shape(schema))} is wanted here, not {_article(_shape_of(node))}"), node.line
    elif isinstance(node, Mapping):
        yield from _mapping(node, schema, ref)
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from checked(item, schema["items"], ref.at(f"[{index}]"))
    else:
        problem = _scalar(node, schema)
        if problem:
            yield _wrong(ref, problem), node.line


def unsupported(node: Node, schema: Schema, path: str = "") -> Iterator[tuple[str, int]]:
    """The paths and lines of the fields that Compose knows and weft does not support."""
    if "anyOf" in schema:
        for choice in schema["anyOf"]:
            if _shape(choice) == _shape_of(node):
                yield from unsupported(node, choice, path)
    elif isinstance(node, Mapping):
        for name, value in node:
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties") or {})
            here = f"{path}.{name}" if path else name
            if inner.get("deprecated"):
                yield here, value.line
            else:
                yield from unsupported(value, inner, here)
    elif isinstance(node, Sequence) and "items" in schema:
        for item in node.items:
            yield from unsupported(item, schema["items"], path)


def _mapping(node: Mapping, schema: Schema, ref: Ref) -> Iterator[tuple[Finding, int]]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    for key, value in node.entries:
        name = key.text
        if name in properties:
            if not properties[name].get("deprecated"):
                yield from checked(value, properties[name], ref.at(name))
        elif _is_extension(name, schema):
            continue
        elif others is False:
            near = closest(name, properties, 1)
            hint = f"did you mean {near[0]}?" if near else ""
            yield finding("unknown-field", ref.at(name), name=name, hint=hint), key.line
        else:
            yield from checked(value, others, ref.at(name))
    for name in schema.get("required", ()):
        if node.get(name) is None:
            yield finding("missing-field", ref.at(name), name=name), node.line


def _is_extension(name: str, schema: Schema) -> bool:
    """Whether `name` is somebody else's `x-` field; one that looks like a misspelt x-weft is not."""
    return name.startswith("x-") and "patternProperties" in schema and "x-weft" not in closest(name, ("x-weft",), 1)


def _wrong(ref: Ref, problem: str) -> Finding:
    return finding("wrong-type", ref, problem=problem, hint="")


def _shape(schema: Schema) -> str:
    match schema.get("type"):
        case "object":
            return "mapping"
        case "array":
            return "list"
    return "value"


def _shape_of(node: Node) -> str:
    match node:
        case Mapping():
            return "mapping"
        case Sequence():
            return "list"
    return "value"


def _article(shape: str) -> str:
    return f"a {shape}"


def _scalar(node: Scalar, schema: Schema) -> str:
    """What is wrong with a leaf; empty when nothing is."""
    text, wanted = node.text, schema["type"]
    if "$" in text:
        return ""  # filled in when an instance starts
    if wanted == "integer":
        if kind(text) != "integer":
            return f"a whole number is wanted, not {text!r}"
        return _range(int(text), schema)
    if wanted == "boolean" and kind(text) != "boolean":
        return f"true or false is wanted, not {text!r}"
    if "enum" in schema and text not in schema["enum"]:
        near = closest(text, schema["enum"], 1)
        return f"{text!r} is none of {', '.join(schema['enum'])}" + (f": did you mean {near[0]}?" if near else "")
    if "pattern" in schema and not re.match(schema["pattern"], text):
        return f"{text!r} does not have the form that is wanted ({schema['pattern']})"
    return ""


def _range(number: int, schema: Schema) -> str:
    if number < schema.get("minimum", number):
        return f"{number} is less than {schema['minimum']}"
    if number > schema.get("maximum", number):
        return f"{number} is more than {schema['maximum']}"
    return ""
