"""OpenAPI v2 as kubectl before 1.27 needs it: that each kind exists, and that a PATCH takes `dryRun` and `fieldValidation`.

Clients ask it as a protobuf message, `openapi.v2.Document`
(https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto). The few fields used here are numbered below.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from weft.controlplane.api.media import Media
from weft.resource import schema
from weft.resource.kind import Kind

Json = Mapping[str, Any]
MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
ASKED = (MEDIA_TYPE, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")  # @ is no character of a media type (RFC 9110)
GVK = "x-kubernetes-group-version-kind"


def protobuf(media: Media) -> bool:
    """Whether `media` asks for the protobuf message."""
    return media.type in ASKED


def document(kinds: Sequence[Kind], version: str) -> dict[str, Any]:
    """The document as JSON. The core kinds have their schemas, by which kubectl merges their lists; the others are objects of
    any content, since the server validates."""
    known = [(kind, each) for kind in kinds for each in kind.versions]
    opaque = {
        schema.component_name(kind, each): {"type": "object", GVK: [_gvk(kind, each)]} for kind, each in known if kind.group
    }
    return {
        "swagger": "2.0",
        "info": {"title": "weft", "version": version},
        "paths": {_path(kind, each): {"patch": _patch(kind, each)} for kind, each in known},
        "definitions": schema.components("", "v1", "#/definitions/") | opaque,
    }


def _path(kind: Kind, version: str) -> str:
    root = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
    return f"{root}/namespaces/{{namespace}}/{kind.plural}/{{name}}" if kind.namespaced else f"{root}/{kind.plural}/{{name}}"


def _gvk(kind: Kind, version: str) -> Json:
    return {"group": kind.group, "version": version, "kind": kind.kind}


def _patch(kind: Kind, version: str) -> Json:
    query = [{"name": name, "in": "query", "type": "string"} for name in ("dryRun", "fieldManager", "fieldValidation")]
    return {"parameters": query, "responses": {"200": {"description": "OK"}}, GVK: _gvk(kind, version)}


def encoded(document: Json) -> bytes:
    """The document as `openapi.v2.Document`: swagger 1, info 2, paths 8, definitions 9."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    paths = b"".join(_field(2, _text(1, name) + _field(2, _path_item(item))) for name, item in document["paths"].items())
    definitions = b"".join(_field(1, _text(1, name) + _field(2, _schema(item))) for name, item in document["definitions"].items())
    return _text(1, document["swagger"]) + _field(2, info) + _field(8, paths) + _field(9, definitions)


def _path_item(item: Json) -> bytes:
    """PathItem: patch 8."""
    return _field(8, _operation(item["patch"]))


def _operation(operation: Json) -> bytes:
    """Operation: parameters 8, responses 9, vendor_extension 13."""
    parameters = b"".join(_field(8, _query_parameter(each)) for each in operation["parameters"])
    response = _field(1, _field(1, _text(1, "OK")))  # ResponseValue.response (1).description (1)
    responses = _field(1, _text(1, "200") + _field(2, response))  # Responses.response_code 1: NamedResponseValue
    return parameters + _field(9, responses) + _extensions(13, operation)


def _query_parameter(parameter: Json) -> bytes:
    """ParametersItem.parameter 1, Parameter.non_body_parameter 2, NonBodyParameter.query_parameter_sub_schema 3;
    there in 2, name 4, type 6."""
    sub_schema = _text(2, parameter["in"]) + _text(4, parameter["name"]) + _text(6, parameter["type"])
    return _field(1, _field(2, _field(3, sub_schema)))


def _schema(value: Json) -> bytes:
    """Schema: _ref 1, description 4, required 19, additional_properties 21 (schema 1), type 22 (value 1), items 23 (schema 1),
    properties 25 (a map as in Definitions), vendor_extension 31. Constraints are left to the server."""
    parts = [_text(1, value.get("$ref", "")), _text(4, value.get("description", ""))]
    parts += [_text(19, name) for name in value.get("required", ())]
    if isinstance(value.get("additionalProperties"), Mapping):
        parts.append(_field(21, _field(1, _schema(value["additionalProperties"]))))
    if "type" in value:
        parts.append(_field(22, _text(1, value["type"])))
    if "items" in value:
        parts.append(_field(23, _field(1, _schema(value["items"]))))
    if "properties" in value:
        properties = value["properties"].items()
        parts.append(_field(25, b"".join(_field(1, _text(1, name) + _field(2, _schema(each))) for name, each in properties)))
    return b"".join(parts) + _extensions(31, value)


def _extensions(number: int, holder: Json) -> bytes:
    """NamedAny: name 1, value 2 (Any.yaml 2)."""
    return b"".join(
        _field(number, _text(1, name) + _field(2, _text(2, msgspec.json.encode(value).decode())))
        for name, value in holder.items()
        if name.startswith("x-")
    )


def _text(number: int, value: str) -> bytes:
    """A string field; an empty one is absent."""
    return _field(number, value.encode()) if value else b""


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field (https://protobuf.dev/programming-guides/encoding/)."""
    return bytes(_varint(number << 3 | 2)) + bytes(_varint(len(value))) + value


def _varint(value: int) -> Iterable[int]:
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value
