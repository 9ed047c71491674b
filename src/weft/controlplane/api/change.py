"""How a write happens: the objects are decoded, judged together, and written in one transaction or not at all."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from weft.controlplane.api.admission import Admission, Admit, admit_all
from weft.controlplane.api.lifecycle import same, timestamp
from weft.controlplane.api.ownership import UPDATE, Owner
from weft.controlplane.api.status import Cause, Raced, Refused, cause, invalid, raced, warning
from weft.finding import Finding, Severity
from weft.resource.decode import decode
from weft.resource.kind import Kind
from weft.resource.kinds import KINDS
from weft.resource.large import is_large
from weft.store.store import Conflict, Delete, Json, Key, Put, Store, Stored

T = TypeVar("T")


def _utc() -> datetime:
    return datetime.now(UTC)


def _uuid() -> str:
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources behind the API: where they are, what they are, and who judges them.

    One write at a time is judged and made (`writing`), so that what was judged is what is written.
    """

    store: Store
    kinds: Sequence[Kind] = KINDS
    admit: Admit = admit_all
    now: Callable[[], datetime] = _utc
    uid: Callable[[], str] = _uuid
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Change:
    """An object before (None: absent) and after (None: to be deleted)."""

    kind: Kind
    key: Key
    old: Stored | None
    new: Json | None

    @property
    def idle(self) -> bool:
        """Whether it changes nothing."""
        return bool(self.old and self.new is not None and same(self.old.body, self.new))

    @property
    def outcome(self) -> str:
        """What kubectl calls it."""
        if self.idle:
            return "unchanged"
        return "created" if not self.old else "configured" if self.new is not None else "deleted"


@dataclass(frozen=True, slots=True)
class Options:
    """How a write is to be made. `validation` is Kubernetes' fieldValidation: Strict, Warn or Ignore. `refuse`: codes of
    findings that refuse it although they are no errors. `manager` is who writes (`fieldManager`), `api_version` the version it
    speaks, `force` whether an apply takes fields from other managers; `noted` is told of what was changed; `allow`: codes of
    ALLOWABLE that do not refuse it."""

    dry_run: bool = False
    validation: str = "Warn"
    refuse: frozenset[str] = frozenset()
    manager: str = "unknown"
    api_version: str = ""
    force: bool = False
    noted: Callable[[Sequence["Change"]], None] = lambda _: None
    allow: frozenset[str] = frozenset()


ALLOWABLE = ("denies-seen-calls",)
"""Errors that a writer may let pass: what is written is sound, and does what somebody may not have meant."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Changes as they may be made, with all that is said about them; `refused` when something forbids them."""

    changes: Sequence[Change]
    findings: tuple[Finding, ...]
    refused: bool


async def judged(resources: Resources, changes: Sequence[Change], options: Options) -> Judged:
    """What is to be said of `changes`. Unknown fields are left out of what will be written unless validation is Strict."""
    decode_all = partial(_read_all, changes, options.validation)
    read = await asyncio.to_thread(decode_all) if is_large(change.new for change in changes) else decode_all()
    changes = [change for change, _ in read]
    findings = [finding for _, found in read for finding in found]
    admissions = [
        Admission(change.kind, change.old.body if change.old else None, change.new) for change in changes if not change.idle
    ]
    findings += await resources.admit(admissions) if admissions else ()
    unique = tuple(_allowed(each, options) for each in dict.fromkeys(findings))
    refused = any(finding.severity is Severity.ERROR or finding.code in options.refuse for finding in unique)
    return Judged(changes, unique, refused)


async def written(resources: Resources, changes: Sequence[Change], options: Options) -> Sequence[Json]:
    """The objects after `changes` were made (for deletions: the last state). Raises Raced."""
    if options.dry_run:
        return [_imagined(change) for change in changes]
    busy = [change for change in changes if not change.idle]
    try:
        answers = iter(await resources.store.write([_write(change) for change in busy]) if busy else ())
    except Conflict as problem:
        raise raced(next(change.kind for change in busy if change.key == problem.key), problem.key.name) from None
    options.noted(busy)
    return [change.old.body if change.idle and change.old else next(answers).body for change in changes]


async def made(resources: Resources, change: Change, options: Options) -> tuple[Json, tuple[str, ...]]:
    """The object after one change, and warnings. Raises Refused (422) when it is not admitted, Raced."""
    verdict = await judged(resources, [change], options)
    warnings = tuple(warning(each) for each in verdict.findings if not _forbids(each, options))
    if verdict.refused:
        causes = [cause(each) for each in verdict.findings if _forbids(each, options)]
        raise invalid(change.kind, change.key.name, causes, warnings)
    (body,) = await written(resources, verdict.changes, options)
    return body, warnings


ATTEMPTS = 10
"""How often a write is made again on an object that somebody changed meanwhile."""


async def settled(attempt: Callable[[], Awaitable[T]]) -> T:
    """The answer of `attempt`, made again while it races with writers beside the API. Raises Raced when that does not end."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await attempt()
        except Raced:
            continue
    return await attempt()


def _allowed(finding: Finding, options: Options) -> Finding:
    meant = finding.code in options.allow and finding.code in ALLOWABLE
    return replace(finding, severity=Severity.WARNING, hint="") if meant else finding


def _forbids(finding: Finding, options: Options) -> bool:
    return finding.severity is Severity.ERROR or finding.code in options.refuse


def _read_all(changes: Sequence[Change], validation: str) -> list[tuple[Change, tuple[Finding, ...]]]:
    return [_read(change, validation) for change in changes]


def _read(change: Change, validation: str) -> tuple[Change, tuple[Finding, ...]]:
    """The change as it will be written, and what is wrong in the object itself."""
    if change.new is None or change.idle:
        return change, ()
    findings = decode(change.new).findings
    unknown = [finding for finding in findings if finding.code == "unknown-field"]
    if validation == "Strict" or not unknown:
        return change, tuple(findings)
    body = pruned(change.new, [finding.ref.field for finding in unknown])
    said = [replace(finding, severity=Severity.WARNING) for finding in unknown] if validation == "Warn" else []
    return replace(change, new=body), (*said, *decode(body).findings)


_STEP = re.compile(r"\[(\d+)\]|\[([^\]]+)\]|\.?([^.\[]+)")


def pruned(body: Json, paths: Sequence[str]) -> Json:
    """`body` without the fields at `paths` (`spec.http[0].foo`); a path that leads nowhere is ignored."""
    for path in paths:
        body = _without(body, [match.group(1) or match.group(2) or match.group(3) for match in _STEP.finditer(path)])
    return body


def _without(value: Any, steps: Sequence[str]) -> Any:
    first, *rest = steps
    if isinstance(value, Mapping) and first in value:
        if not rest:
            return {name: item for name, item in value.items() if name != first}
        return {**value, first: _without(value[first], rest)}
    if isinstance(value, list) and first.isdigit() and int(first) < len(value) and rest:
        return [_without(item, rest) if number == int(first) else item for number, item in enumerate(value)]
    return value


def _write(change: Change) -> Put | Delete:
    expected = change.old.revision if change.old else 0
    return Delete(change.key, expected) if change.new is None else Put(change.key, change.new, expected)


def _imagined(change: Change) -> Json:
    if change.new is None:
        assert change.old
        return change.old.body
    if not change.old:
        return change.new
    version = change.old.body["metadata"]["resourceVersion"]
    return {**change.new, "metadata": {**change.new["metadata"], "resourceVersion": version}}


def writer(resources: Resources, kind: Kind, options: Options, operation: str = UPDATE) -> Owner:
    """Who makes a write, as managed fields name it, and what it sets: nothing yet."""
    return Owner(options.manager, operation, options.api_version or kind.api_version, timestamp(resources.now()), {})


async def require_namespace(resources: Resources, key: Key) -> None:
    """Raises Refused when the namespace of `key` does not exist (404) or is being deleted (403)."""
    if not key.namespace:
        return
    stored = await resources.store.get(Key("namespaces", "", key.namespace))
    if not stored:
        message = f'namespaces "{key.namespace}" not found'
        raise Refused(404, "NotFound", message, about="namespaces", name=key.namespace)
    if stored.body["metadata"].get("deletionTimestamp"):
        message = f"unable to create new content in namespace {key.namespace} because it is being terminated"
        why = Cause("NamespaceTerminating", message, "metadata.namespace")
        raise Refused(403, "Forbidden", message, about="namespaces", name=key.namespace, causes=[why])
