"""The schemas of what is served: OpenAPI v3, a document for each group and version, and the little of v2 that old clients need.

kubectl asks v3 for two things: `kubectl explain`, and whether a PATCH takes `dryRun` and `fieldValidation` (if so, it leaves
validation to the server). https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
from starlette.responses import Response

from weft.controlplane.api import media, openapi_v2
from weft.controlplane.api.patch import media_types
from weft.resource import schema
from weft.resource.kind import Kind

Json = dict[str, Any]
VERBS = (("get", "get"), ("put", "put"), ("patch", "patch"), ("delete", "delete"))
COLLECTION_VERBS = (("get", "list"), ("post", "post"))
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_PARAMETERS = {"post": _WRITE, "put": _WRITE, "patch": (*_WRITE, "force")}


class Documents:
    """The documents for `kinds`. Each is made once."""

    def __init__(self, kinds: Sequence[Kind], version: str) -> None:
        self._kinds = tuple(kinds)
        self._version = version
        self._made = cache(self._make)

    def v3(self) -> Json:
        """`/openapi/v3`: the paths of all documents, with a hash by which clients may cache them."""
        found = {path: self._made(path) for path in _paths(self._kinds)}
        return {
            "paths": {
                path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(document)}"} for path, document in found.items()
            }
        }

    def v3_document(self, path: str) -> Json | None:
        """The document at `api/v1` or `apis/GROUP/VERSION`, or None."""
        return self._made(path) if path in _paths(self._kinds) else None

    def v2(self, accept: str) -> Response:
        """`/openapi/v2`, as protobuf or JSON."""
        document = openapi_v2.document(self._kinds, self._version)
        if media.chosen(accept, [openapi_v2.protobuf, media.json]) == 0:
            return Response(openapi_v2.encoded(document), media_type=openapi_v2.MEDIA_TYPE)
        return Response(msgspec.json.encode(document), media_type="application/json")

    def _make(self, path: str) -> Json:
        group, version = _paths(self._kinds)[path]
        components = schema.components(group, version)
        kinds = [kind for kind in self._kinds if kind.group == group and version in kind.versions]
        return {
            "openapi": "3.0.0",
            "info": {"title": "weft", "version": self._version},
            "paths": {place: item for kind in kinds for place, item in _items(path, kind, version)},
            "components": {"schemas": components},
        }


def _paths(kinds: Sequence[Kind]) -> dict[str, tuple[str, str]]:
    return {
        (f"apis/{kind.group}/{version}" if kind.group else f"api/{version}"): (kind.group, version)
        for kind in kinds
        for version in kind.versions
    }


def _hash(document: Json) -> str:
    return hashlib.sha256(msgspec.json.encode(document)).hexdigest().upper()[:32]


def _items(path: str, kind: Kind, version: str) -> Iterable[tuple[str, Json]]:
    within = f"/{path}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"/{path}/{kind.plural}"
    place = [_parameter("namespace", "path")] if kind.namespaced else []
    yield within, _item(kind, version, COLLECTION_VERBS) | ({"parameters": place} if place else {})
    yield f"{within}/{{name}}", _item(kind, version, VERBS) | {"parameters": [_parameter("name", "path"), *place]}
    if kind.namespaced:
        yield f"/{path}/{kind.plural}", _item(kind, version, (("get", "list"),))


def _item(kind: Kind, version: str, verbs: Iterable[tuple[str, str]]) -> Json:
    return {method: _operation(kind, version, method, action) for method, action in verbs}


def _operation(kind: Kind, version: str, method: str, action: str) -> Json:
    operation: Json = {
        "tags": [f"{kind.group or 'core'}_{version}"],
        "operationId": f"{action}{version.capitalize()}{kind.kind}",
        "parameters": [_parameter(name, "query") for name in _PARAMETERS.get(method, ())],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": version, "kind": kind.kind},
    }
    if method == "patch":
        operation["requestBody"] = {"content": {media_type: {"schema": {"type": "object"}} for media_type in media_types(kind)}}
    return operation


def _parameter(name: str, place: str) -> Json:
    return {"name": name, "in": place, "schema": {"type": "string"}} | ({"required": True} if place == "path" else {})
