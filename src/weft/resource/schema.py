"""OpenAPI schemas of every kind, made out of its struct: what `kubectl explain` shows and `kubectl apply` patches by.

The schemas stand alone (nothing is shared but metadata), as those of CustomResourceDefinitions do. They say what is
accepted, never a default: the API stores what the operator wrote.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct, json

from weft.resource.kind import Kind
from weft.resource.kinds import KINDS
from weft.resource.list_types import list_types
from weft.resource.meta import ObjectMeta
from weft.resource.record import Field, Record, record
from weft.resource.shape import Sequence, Shape, Table

Schema = dict[str, Any]

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
_LOCAL = "#/local/"

# How kubectl merges lists of the kinds it patches strategically; absent, a list is replaced.
# https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
_MERGED = {
    ("Service", "ports"): {
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": "port",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"],
    },
    ("ObjectMeta", "finalizers"): {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-list-type": "set"},
    ("ObjectMeta", "ownerReferences"): {
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": "uid",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["uid"],
    },
}


def component_name(kind: Kind, version: str) -> str:
    """`io.istio.networking.v1.VirtualService`; core kinds as Kubernetes names them: `io.k8s.api.core.v1.Service`."""
    package = ".".join(reversed(kind.group.split("."))) if kind.group else "io.k8s.api.core"
    return f"{package}.{version}.{kind.kind}"


def components(group: str, version: str, prefix: str = "#/components/schemas/") -> dict[str, Schema]:
    """Every schema of one group and version, by name: the kinds, their lists, and metadata. `prefix` is where references
    point; OpenAPI v2 has them at `#/definitions/`."""
    kinds = [kind for kind in KINDS if kind.group == group and version in kind.versions]
    found = {OBJECT_META: _struct(ObjectMeta), LIST_META: _LIST_META}
    for kind in kinds:
        name = component_name(kind, version)
        found[name] = resource(kind, version, prefix)
        found[f"{name}List"] = _list(kind, version, prefix)
    return found


def resource(kind: Kind, version: str, prefix: str = "#/components/schemas/") -> Schema:
    """The schema of a whole resource."""
    body = _listed(kind, _struct(kind.type))
    properties: Schema = {"apiVersion": _STRING, "kind": _STRING, "metadata": {"$ref": prefix + OBJECT_META}}
    required: list[str] = []
    if kind.body:
        properties[kind.body] = body
        required = [kind.body] if kind.body_required else []
    else:
        properties |= body["properties"]
    properties["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema: Schema = {
        "type": "object",
        "description": body.get("description", ""),
        "properties": properties,
        "x-kubernetes-group-version-kind": [_group_version_kind(kind, version)],
    }
    return schema | ({"required": required} if required else {})


def _listed(kind: Kind, body: Schema) -> Schema:
    """The lists of `kind` that are maps, named as such; of the core kinds `_MERGED` says more."""
    lists = {path[1]: keys for path, keys in list_types(kind).maps.items() if path[0] == kind.body and len(path) == 2}
    properties = dict(body["properties"])
    for name, keys in lists.items():
        properties[name] = {**properties[name], "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
    return {**body, "properties": properties}


def _list(kind: Kind, version: str, prefix: str) -> Schema:
    items = {"type": "array", "items": {"$ref": prefix + component_name(kind, version)}}
    return {
        "type": "object",
        "description": f"A list of {kind.kind}.",
        "properties": {"apiVersion": _STRING, "kind": _STRING, "metadata": {"$ref": prefix + LIST_META}, "items": items},
        "required": ["items"],
        "x-kubernetes-group-version-kind": [_group_version_kind(kind, version, "List")],
    }


def _group_version_kind(kind: Kind, version: str, suffix: str = "") -> Schema:
    return {"group": kind.group, "version": version, "kind": kind.kind + suffix}


@cache
def _struct(type: type[Struct]) -> Schema:
    """The schema of a struct, everything it names put in its place."""
    (whole,), known = json.schema_components([type], ref_template=_LOCAL + "{name}")
    schema: Schema = _worded(_plain(whole, known), record(type))
    for (owner, field), extra in _MERGED.items():
        if owner == type.__name__:
            schema["properties"][field] |= extra
    return schema


def _worded(schema: Schema, shape: Shape) -> Schema:
    """The schema with a description at every field of which its struct's docstring speaks."""
    match shape:
        case Record():
            properties = {
                field.name: _field(_worded(schema["properties"][field.name], field.shape), words(shape.type, field))
                for field in shape.fields.values()
            }
            return {**schema, "properties": properties}
        case Sequence(of=inner) if "items" in schema:
            return {**schema, "items": _worded(schema["items"], inner)}
        case Table(of=inner) if isinstance(schema.get("additionalProperties"), Mapping):
            return {**schema, "additionalProperties": _worded(schema["additionalProperties"], inner)}
    return schema


def _field(schema: Schema, said: str) -> Schema:
    described = " ".join(text for text in (said, schema.get("description", "")) if text)
    return {**schema, "description": described} if described else schema


_SENTENCE = re.compile(r"(?<=[.;])\s+")


def words(type: type[Struct], field: Field) -> str:
    """What the docstring of a struct says of one of its fields: the clauses that have its name in backquotes."""
    names = (f"`{field.attribute}`", f"`{field.name}`")
    clauses = _SENTENCE.split(" ".join((type.__doc__ or "").split()))
    found: list[str] = []
    for clause in clauses:
        if any(name in clause for name in names) or (found and clause is not clauses[0] and clause.startswith("absent")):
            found.append(clause)
    return " ".join(found).removesuffix(";")


def _plain(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """JSON schema as msgspec writes it, in the words that Kubernetes' OpenAPI has."""
    if "$ref" in schema:
        inner = _plain(known[schema["$ref"].removeprefix(_LOCAL)], known)
        return inner | {name: value for name, value in schema.items() if name == "description"}
    if "anyOf" in schema:
        return _alternatives(schema, known)
    kept = {name: value for name, value in schema.items() if name not in ("title", "default", "required")}
    if schema.get("required"):
        kept["required"] = schema["required"]
    if "properties" in kept:
        kept["properties"] = {name: _plain(value, known) for name, value in kept["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(kept.get(name), Mapping):
            kept[name] = _plain(kept[name], known)
    if "enum" in kept:
        kept["type"] = "string"
    return kept


def _alternatives(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Absence needs no words in OpenAPI; two types left are a number or a string."""
    words = {"description": schema["description"]} if "description" in schema else {}
    types = [one for one in schema["anyOf"] if one.get("type") != "null"]
    if len(types) == 1:
        return _plain(types[0], known) | words
    return {"x-kubernetes-int-or-string": True, "oneOf": [{"type": one["type"]} for one in types]} | words


_STRING: Schema = {"type": "string"}
_LIST_META: Schema = {
    "type": "object",
    "description": "What a list says about itself.",
    "properties": {
        "continue": _STRING,
        "remainingItemCount": {"type": "integer"},
        "resourceVersion": _STRING,
        "selfLink": _STRING,
    },
}
