"""One function a verb: create, get, list, replace, patch, delete. They know the store and Kubernetes' rules, and no HTTP."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from weft.controlplane.api import lifecycle, server_side_apply
from weft.controlplane.api.change import Change, Options, Resources, made, require_namespace, settled, writer, written
from weft.controlplane.api.merge import merged
from weft.controlplane.api.ownership import APPLY, FIELD, opened, owned, updated
from weft.controlplane.api.patch import APPLY as APPLY_PATCH
from weft.controlplane.api.patch import check_media_type, patched
from weft.controlplane.api.selector import Matches
from weft.controlplane.api.status import (
    CHANGED,
    Cause,
    Refused,
    already_exists,
    bad_request,
    conflict,
    gone,
    invalid,
    not_found,
)
from weft.controlplane.api.target import Target
from weft.resource.kind import Kind
from weft.resource.list_types import list_types
from weft.store.store import Json, Key, Stored

LASTING = ("default", "istio-system", "weft-system")
"""Namespaces that cannot be deleted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write is answered with: the object, whether it is new, and the warnings on the way."""

    body: Json
    warnings: tuple[str, ...] = ()
    code: int = 200


async def get(resources: Resources, target: Target) -> Json:
    """The object. Raises Refused (404)."""
    return (await _stored(resources, target)).body


async def _stored(resources: Resources, target: Target) -> Stored:
    return _there(target, await resources.store.get(target.key))


def _there(target: Target, stored: Stored | None) -> Stored:
    if not stored:
        raise not_found(target.kind, target.name)
    return stored


async def create(resources: Resources, target: Target, raw: Any, options: Options) -> Answer:
    """A new object in the collection `target`. Raises Refused (404 for a missing namespace, 409, 422)."""
    if target.kind.namespaced and not target.namespace:
        raise bad_request("an object of a kind with namespaces is created in one")
    body = lifecycle.created(target.kind, lifecycle.addressed(target, raw), resources.now(), resources.uid())
    body = updated(target.kind, None, body, None, writer(resources, target.kind, options))
    key = Key(target.kind.resource, target.namespace, body["metadata"]["name"])

    async def attempt() -> Answer:
        await require_namespace(resources, key)
        if await resources.store.get(key):
            raise already_exists(target.kind, key.name)
        done, warnings = await made(resources, Change(target.kind, key, None, body), options)
        return Answer(done, warnings, 201)

    async with resources.writing:
        return await settled(attempt)


async def replace(resources: Resources, target: Target, raw: Any, options: Options) -> Answer:
    """The object with other content. Raises Refused (404, 409 for an outdated resourceVersion, 422)."""
    body = lifecycle.addressed(target, raw)

    async def attempt() -> Answer:
        stored = await _stored(resources, target)
        version = body["metadata"].get("resourceVersion")
        if not version and target.kind.group:
            cause = Cause("FieldValueInvalid", "Invalid value: 0: must be specified for an update", "metadata.resourceVersion")
            raise invalid(target.kind, target.name, [cause])
        _check_version(target.kind, stored, version)
        return await _update(resources, target, stored, body, options)

    async with resources.writing:
        return await settled(attempt)


async def patch(resources: Resources, target: Target, media_type: str, change: Any, options: Options) -> Answer:
    """The object after a patch. Raises Refused as `replace` does, and what `patched` raises."""
    check_media_type(target.kind, media_type)
    if media_type == APPLY_PATCH:
        return await apply(resources, target, change, options)

    async def attempt() -> Answer:
        stored = await _stored(resources, target)
        body = lifecycle.addressed(target, patched(target.kind, media_type, opened(stored.body), change))
        _check_version(target.kind, stored, body["metadata"].get("resourceVersion"))
        return await _update(resources, target, stored, body, options)

    async with resources.writing:
        return await settled(attempt)


def _check_version(kind: Kind, stored: Stored, version: Any) -> None:
    if version and str(version) != str(stored.revision):
        raise conflict(kind, stored.key.name, CHANGED)


async def _update(resources: Resources, target: Target, stored: Stored, body: Json, options: Options) -> Answer:
    if target.subresource == "status":
        new = lifecycle.with_status(stored.body, body)
    else:
        new = lifecycle.replaced(target.kind, stored.body, body)
        sent = _sent(stored.body, body)
        new = updated(target.kind, stored.body, new, sent, writer(resources, target.kind, options))
    if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
        await made(resources, Change(target.kind, target.key, stored, None), options)
        return Answer(new)
    done, warnings = await made(resources, Change(target.kind, target.key, stored, new), options)
    return Answer(done, warnings)


def _sent(old: Json, body: Json) -> Any:
    """The managed fields that a client wrote itself; None when it left them as they were."""
    sent = body["metadata"].get(FIELD)
    return None if not sent or sent == opened(old)["metadata"].get(FIELD) else sent


async def apply(resources: Resources, target: Target, raw: Any, options: Options) -> Answer:
    """The object after a server-side apply, which makes it when it is not there (code 201). Raises Refused (400, 404 for a
    missing namespace, 409 with the conflicts, 422)."""
    config = _configuration(target, raw)
    by = writer(resources, target.kind, options, APPLY)

    async def attempt() -> Answer:
        stored = await resources.store.get(target.key)
        if target.subresource:
            there = _there(target, stored)
            status = merged(there.body.get("status"), raw.get("status") or {}, ("status",), list_types(target.kind))
            return await _update(resources, target, there, {**config, "status": status}, options)
        version = config["metadata"].get("resourceVersion")
        if not stored:
            if version:
                raise conflict(target.kind, target.name, CHANGED)
            await require_namespace(resources, target.key)
            new = lifecycle.created(target.kind, config, resources.now(), resources.uid())
            new = owned(new, server_side_apply.first(target.kind, config, by))
            done, warnings = await made(resources, Change(target.kind, target.key, None, new), options)
            return Answer(done, warnings, 201)
        _check_version(target.kind, stored, version)
        body, owners = server_side_apply.applied(target.kind, stored.body, config, by, force=options.force)
        new = owned(lifecycle.replaced(target.kind, stored.body, body), owners)
        done, warnings = await made(resources, Change(target.kind, target.key, stored, new), options)
        return Answer(done, warnings)

    async with resources.writing:
        return await settled(attempt)


def _configuration(target: Target, raw: Any) -> dict[str, Any]:
    """What is applied. Raises Refused (400) for what cannot be."""
    if isinstance(raw, Mapping) and not (raw.get("apiVersion") and raw.get("kind")):
        raise bad_request("an applied configuration has apiVersion and kind")
    addressed = lifecycle.addressed(target, raw)
    if addressed["metadata"].get(FIELD):
        raise bad_request("metadata.managedFields must be nil")
    return server_side_apply.configuration(addressed)


async def delete(resources: Resources, target: Target, preconditions: Mapping[str, Any], options: Options) -> Answer:
    """The last state of the object that was deleted, or, while finalizers hold it, the object being deleted (code 202).
    A namespace goes with all that is in it."""

    async def attempt() -> Answer:
        stored = await _stored(resources, target)
        _check_preconditions(target.kind, stored, preconditions)
        return await _delete(resources, target.kind, stored, options)

    async with resources.writing:
        return await settled(attempt)


def _check_preconditions(kind: Kind, stored: Stored, wanted: Mapping[str, Any]) -> None:
    uid = stored.body["metadata"].get("uid")
    if wanted.get("uid") and wanted["uid"] != uid:
        raise conflict(kind, stored.key.name, f"the UID in the precondition ({wanted['uid']}) is not that of the object ({uid})")
    _check_version(kind, stored, wanted.get("resourceVersion"))


async def _delete(resources: Resources, kind: Kind, stored: Stored, options: Options) -> Answer:
    meta = stored.body["metadata"]
    if meta.get("finalizers"):
        marked = {**meta, "deletionTimestamp": meta.get("deletionTimestamp") or lifecycle.timestamp(resources.now())}
        done, warnings = await made(resources, Change(kind, stored.key, stored, {**stored.body, "metadata": marked}), options)
        return Answer(done, warnings, 202)
    if kind.resource == "namespaces":
        return await _delete_namespace(resources, kind, stored, options)
    done, warnings = await made(resources, Change(kind, stored.key, stored, None), options)
    return Answer(done, warnings)


async def _delete_namespace(resources: Resources, kind: Kind, stored: Stored, options: Options) -> Answer:
    name = stored.key.name
    if name in LASTING:
        message = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
        raise Refused(403, "Forbidden", message, about="namespaces", name=name)
    inside, _ = await resources.store.list(namespace=name)
    known = {each.resource: each for each in resources.kinds}
    changes = [Change(known[each.key.resource], each.key, each, None) for each in inside if each.key.resource in known]
    done = await written(resources, [*changes, Change(kind, stored.key, stored, None)], options)
    return Answer(done[-1])


async def delete_all(resources: Resources, target: Target, matches: Matches, options: Options) -> Sequence[Json]:
    """Deletes the objects of a collection that match; the answer is their last states."""
    if target.kind.resource == "namespaces":
        raise Refused(405, "MethodNotAllowed", "namespaces are deleted one by one")
    found, _ = await resources.store.list(target.kind.resource, target.namespace or None)
    gone = []
    for key in [stored.key for stored in found if matches(stored.body)]:
        try:
            gone.append((await delete(resources, Target(target.kind, target.version, key.namespace, key.name), {}, options)).body)
        except Refused as refused:
            if refused.code != 404:  # else somebody was quicker
                raise
    return gone


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. `revision` is that of the first page, so that a watch from it misses nothing that later pages
    could not show. `token` asks for the next page."""

    bodies: Sequence[Json]
    revision: int
    token: str = ""
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list asks for. `limit` 0: all. `version` and `match` are resourceVersion and resourceVersionMatch."""

    matches: Matches
    limit: int = 0
    token: str = ""
    version: str = ""
    match: str = ""


async def page(resources: Resources, target: Target, wanted: Wanted) -> Page:
    """The objects of a collection. Raises Refused (400, 410, 504)."""
    found, revision = await resources.store.list(target.kind.resource, target.namespace or None)
    _check_list_version(wanted, revision)
    bodies = [(stored.key, stored.body) for stored in found if wanted.matches(stored.body)]
    if wanted.token:
        revision, after = _continued(wanted.token)
        bodies = [(key, body) for key, body in bodies if (key.namespace, key.name) > after]
    rest = len(bodies) - wanted.limit
    if wanted.limit and rest > 0:
        bodies = bodies[: wanted.limit]
        last = bodies[-1][0]
        return Page([body for _, body in bodies], revision, _token(revision, last), rest)
    return Page([body for _, body in bodies], revision)


def _check_list_version(wanted: Wanted, revision: int) -> None:
    version = revision_number(wanted.version)
    if version > revision:
        raise too_large(version, revision)
    if wanted.match == "Exact" and version != revision:
        raise gone(f"the state at resource version {version} is not kept: the current one is {revision}")


def revision_number(text: str) -> int:
    """A resourceVersion as it was sent; 0 when it is absent. Raises Refused (400)."""
    if text and not text.isdigit():
        raise bad_request(f"invalid resource version {text!r}: it is a number")
    return int(text or 0)


def too_large(version: int, revision: int) -> Refused:
    """A revision from the future: of another database, or of this one before a restore."""
    message = f"Too large resource version: {version}, current: {revision}"
    return Refused(504, "Timeout", message, causes=[Cause("ResourceVersionTooLarge", "Too large resource version")])


def _token(revision: int, last: Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([revision, last.namespace, last.name])).decode()


def _continued(token: str) -> tuple[int, tuple[str, str]]:
    try:
        revision, namespace, name = msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[int, str, str])
    except (binascii.Error, msgspec.DecodeError):
        raise bad_request("the continue token is not one of this server") from None
    return revision, (namespace, name)
