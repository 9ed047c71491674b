"""The PeerAuthentication that stands for a scope: which one it is, and how it is written and put back.

What is there is changed, not doubled: of several the oldest holds, so a second one would say nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

from weft.controlplane.api import lifecycle, ownership
from weft.controlplane.api.change import Change, Options, Resources, made, writer
from weft.model.labels import Labels, selects
from weft.model.mesh import Mesh
from weft.resource.kinds import PEER_AUTHENTICATION
from weft.rollout.scope import Scope
from weft.store.store import Key, Stored

MANAGER = "weft"
Json = Mapping[str, Any]


def key_for(mesh: Mesh, scope: Scope, label: tuple[str, str]) -> Key:
    """Where the scope's own PeerAuthentication is, or is to be. `label` is how a workload's instances are known."""
    namespace = scope.namespace or mesh.settings.root_namespace
    selector: Labels = (label,) if scope.workload else ()
    found = next((one for one in mesh.peer_authentications.get(namespace, ()) if one.selector == selector), None)
    name = found.origin.name if found else scope.workload or "default"
    return Key(PEER_AUTHENTICATION.resource, namespace, name)


def nearer(mesh: Mesh, scope: Scope, label: tuple[str, str], key: Key) -> str:
    """The PeerAuthentication that holds for a workload in place of the one at `key`, in words; empty: none does."""
    if not scope.workload:
        return ""
    known = mesh.peer_authentications.get(scope.namespace, ())
    fitting = (one for one in known if one.selector and selects(one.selector, (label,)))
    first = next(fitting, None)
    return str(first.origin) if first and first.origin.name != key.name else ""


def strict(old: Json | None, key: Key, label: tuple[str, str] | None) -> dict[str, Any]:
    """The object that says STRICT, as a client would send it."""
    mtls = {"mtls": {"mode": "STRICT"}}
    if old is not None:
        return {**old, "spec": {**old.get("spec", {}), **mtls}}
    selector = {"selector": {"matchLabels": dict([label])}} if label else {}
    return _object(key, {**selector, **mtls})


def restored(old: Json, key: Key, before: str) -> dict[str, Any] | None:
    """The object as it was (`before` is its specification); None: it was not there."""
    return {**old, "spec": json.loads(before)} if before else None


def says_strict(body: Json | None) -> bool:
    """Whether the object says STRICT of all ports."""
    mtls = (body or {}).get("spec", {}).get("mtls") or {}
    return bool(mtls.get("mode") == "STRICT")


def specification(of: Stored | None) -> str:
    """What `restored` needs of an object; empty: there is none."""
    return json.dumps(of.body.get("spec", {}), sort_keys=True) if of else ""


def _object(key: Key, spec: Json) -> dict[str, Any]:
    meta = {"name": key.name, "namespace": key.namespace}
    return {"apiVersion": PEER_AUTHENTICATION.api_version, "kind": PEER_AUTHENTICATION.kind, "metadata": meta, "spec": dict(spec)}


async def write(resources: Resources, old: Stored | None, key: Key, new: Json | None) -> None:
    """Writes the object (None: deletes it) as every other writer of the API does. Raises Refused, Raced."""
    kind, options = PEER_AUTHENTICATION, Options(manager=MANAGER)
    body: dict[str, Any] | None = None
    if new is not None:
        by = writer(resources, kind, options)
        body = lifecycle.replaced(kind, old.body, new) if old else lifecycle.created(kind, new, resources.now(), resources.uid())
        body = ownership.updated(kind, old.body if old else None, body, None, by)
    await made(resources, Change(kind, key, old, body), options)
