"""What the API itself writes into objects: identity, timestamps, generation; and who may change what.

A client never changes uid, creation time or generation; the main resource never changes `status`, and the status
subresource nothing else (https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md).
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from weft.controlplane.api import ownership
from weft.controlplane.api.status import Cause, bad_request, invalid
from weft.controlplane.api.target import Target
from weft.resource.kind import Kind

Json = Mapping[str, Any]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_OURS = ("managedFields", "selfLink", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds")
_KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp")


def timestamp(now: datetime) -> str:
    """As Kubernetes writes times: UTC, whole seconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def addressed(target: Target, raw: Any) -> dict[str, Any]:
    """`raw` with the kind, namespace and name that the path says, in the kind's preferred version. Raises Refused (400)
    when it says otherwise itself."""
    if not isinstance(raw, Mapping):
        raise bad_request("the body is not an object")
    meta = raw.get("metadata") or {}
    if not isinstance(meta, Mapping):
        raise bad_request("metadata is not an object")
    said = (raw.get("apiVersion") or target.api_version, raw.get("kind") or target.kind.kind)
    if said[0] not in target.kind.api_versions or said[1] != target.kind.kind:
        raise bad_request(f"{said[0]} {said[1]} was sent to the path of {target.api_version} {target.kind.kind}")
    return _placed(target, raw, dict(meta))


def _placed(target: Target, raw: Json, meta: dict[str, Any]) -> dict[str, Any]:
    if target.kind.namespaced:
        namespace = meta.setdefault("namespace", target.namespace) or target.namespace
        if namespace != target.namespace:
            raise bad_request(
                f"the namespace of the provided object does not match the namespace sent on the request: "
                f"{namespace!r} is not {target.namespace!r}"
            )
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    if target.name and meta.setdefault("name", target.name) != target.name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
        )  # fmt: skip
    return {**raw, "apiVersion": target.kind.api_version, "kind": target.kind.kind, "metadata": meta}


def checked_name(kind: Kind, meta: Json) -> str:
    """The object's name. Raises Refused (422) when it is absent or not a name."""
    name = meta.get("name")
    if not name:
        cause = Cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")
        raise invalid(kind, "", [cause])
    pattern = _LABEL if kind.resource in ("namespaces", "services") else _NAME
    limit = 63 if pattern is _LABEL else 253
    if not isinstance(name, str) or len(name) > limit or not pattern.match(name):
        dots = "" if pattern is _LABEL else " or '.'"
        allowed = f"lower-case letters, digits, '-'{dots}, with a letter or digit at both ends, at most {limit}"
        words = f"Invalid value: {name!r}: {allowed}"
        raise invalid(kind, str(name), [Cause("FieldValueInvalid", words, "metadata.name")])
    return name


def defaulted(kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
    """`body` with what Kubernetes itself fills in and its clients print; a Service's target ports stay as they were said. What a
    Secret says in plain text becomes data: nobody reads `stringData` back."""
    if kind.resource == "secrets":
        return _folded(body)
    spec = body.get("spec")
    if kind.resource != "services" or not isinstance(spec, Mapping):
        return body
    filled = {"type": "ClusterIP", "sessionAffinity": "None"} | {name: value for name, value in spec.items() if value is not None}
    if isinstance(ports := spec.get("ports"), list):
        filled["ports"] = [{"protocol": "TCP", **port} if isinstance(port, Mapping) else port for port in ports]
    return {**body, "spec": filled}


def _folded(body: dict[str, Any]) -> dict[str, Any]:
    said, data = body.get("stringData"), body.get("data") or {}
    if not isinstance(said, Mapping) or not isinstance(data, Mapping) or not all(isinstance(one, str) for one in said.values()):
        return body
    rest = {name: value for name, value in body.items() if name != "stringData"}
    return rest | {"data": {**data, **{name: b64encode(value.encode()).decode() for name, value in said.items()}}}


def created(kind: Kind, raw: Json, now: datetime, uid: str) -> dict[str, Any]:
    """`raw` as a new object. `generateName` is completed from `uid`."""
    meta = {name: value for name, value in raw["metadata"].items() if name not in _OURS}
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = f"{meta['generateName']}{uid.replace('-', '')[-5:]}"
    checked_name(kind, meta)
    meta |= {"uid": uid, "creationTimestamp": timestamp(now), "generation": 1}
    body = {name: value for name, value in raw.items() if name != "status"} | {"metadata": meta}
    labels = meta.get("labels") or {}
    if kind.resource == "namespaces" and isinstance(labels, Mapping):
        meta["labels"] = {**labels, "kubernetes.io/metadata.name": meta["name"]}
        body["status"] = {"phase": "Active"}
    return defaulted(kind, body)


def replaced(kind: Kind, old: Json, raw: Json) -> dict[str, Any]:
    """`raw` in place of `old`: what a client does not own stays, and the generation grows when the specification changed."""
    meta = {name: value for name, value in raw["metadata"].items() if name not in _OURS}
    uid = meta.get("uid")
    if uid and uid != old["metadata"].get("uid"):
        words = f"Invalid value: {uid!r}: field is immutable"
        raise invalid(kind, meta["name"], [Cause("FieldValueInvalid", words, "metadata.uid")])
    meta |= {name: old["metadata"][name] for name in _KEPT if name in old["metadata"]}
    body = {name: value for name, value in raw.items() if name != "status"} | {"metadata": meta}
    if "status" in old:
        body["status"] = old["status"]
    body = defaulted(kind, body)
    if _specification(body) != _specification(old):
        meta["generation"] = int(old["metadata"].get("generation", 1)) + 1
    return body


def with_status(old: Json, raw: Json) -> dict[str, Any]:
    """`old` with the status of `raw`, and nothing else of it."""
    kept = {name: value for name, value in old.items() if name != "status"}
    return kept | ({"status": raw["status"]} if raw.get("status") is not None else {})


def _specification(body: Json) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("metadata", "status")}


def same(old: Json, new: Json) -> bool:
    """Whether writing `new` over `old` would change nothing but the revision."""
    return _unversioned(old) == _unversioned(new)


def _unversioned(body: Json) -> dict[str, Any]:
    return {**body, "metadata": {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}}


def served(body: Json, api_version: str) -> dict[str, Any]:
    """The stored `body` in the version that was asked for: all versions have the same fields."""
    rest = {name: value for name, value in ownership.shown(body).items() if name not in ("apiVersion", "kind")}
    return {"apiVersion": api_version, "kind": body["kind"], **rest}
