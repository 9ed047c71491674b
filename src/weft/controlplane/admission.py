"""What is said about a write before it is made: decoding, then the mesh as it would be, then Envoy itself.

An ERROR refuses the write; everything else is told and let through, since resources may be applied in any order. A write is
refused for what it would break, never for what is broken already.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from weft.compile.snapshot import Cache
from weft.controlplane.api.admission import Admission
from weft.controlplane.canary.canary import Canary, Refusal
from weft.controlplane.reconcile import Imagined, Reconciler
from weft.controlplane.refusals import blamed, refusals, said
from weft.controlplane.touched import touched
from weft.finding import Finding, Severity
from weft.model.mesh import Change, Mesh
from weft.ref import Ref
from weft.resource.large import is_large
from weft.resource.resource import Resource
from weft.store.store import Key
from weft.translate.mesh import Translation, advance

_KEPT = 5_000  # compiled resources, so that what a write leaves as it is costs nothing
_KEPT_BYTES = 16 << 20


class Judge:
    """Judges writes against the mesh in effect."""

    def __init__(self, reconciler: Reconciler, canary: Canary) -> None:
        self._reconciler = reconciler
        self._canary = canary
        self._cache = Cache(_KEPT, _KEPT_BYTES)

    async def admit(self, changes: Sequence[Admission]) -> tuple[Finding, ...]:
        """Every finding about the objects as they would be after all of `changes`."""
        large = is_large(change.new for change in changes)
        imagine = self._reconciler.imagining((_key(change), change.new) for change in changes)
        imagined = await asyncio.to_thread(imagine) if large else imagine()
        if any(finding.severity is Severity.ERROR for finding in imagined.findings):
            return imagined.findings
        return imagined.findings + await self._asked(imagined, large)

    async def _asked(self, imagined: Imagined, large: bool) -> tuple[Finding, ...]:
        """What Envoy has against the mesh as it would be, and had not before."""
        new = {resource.ref: (old, resource) for old, resource in imagined.changes if resource is not None}
        before, after = imagined.before.mesh, imagined.after.mesh
        refused = await self._refusals(before, after, imagined.change, large) if new else ()
        if not refused:
            return ()
        old = {_what(each) for each in await self._refusals(before, before, imagined.change)}
        found: dict[tuple[Ref, str], Finding] = {}
        for refusal in refused:
            if _what(refusal) not in old:
                for resource in await self._guilty(imagined.after, refusal, new):
                    finding = said("envoy-refuses", refusal, resource)
                    patched = resource.kind.kind == "EnvoyFilter"  # one patch may spoil many clusters, each in words of its own
                    found.setdefault((finding.ref.resource, "" if patched else refusal.words), finding)
        return tuple(found.values())

    async def _refusals(self, before: Mesh, after: Mesh, change: Change, large: bool = False) -> tuple[Refusal, ...]:
        look = partial(touched, before, after, change, self._cache)
        return await refusals(self._canary, await asyncio.to_thread(look) if large else look())

    async def _guilty(
        self, after: Translation, refusal: Refusal, new: dict[Ref, tuple[Resource | None, Resource]]
    ) -> Iterable[Resource]:
        """Which of the written resources it is: the one without which Envoy would take it, else all it was made from."""
        suspects = [new[ref] for ref in blamed(refusal) if ref in new] or list(new.values())
        for old, resource in suspects if len(suspects) > 1 else ():
            without, change = advance(after, [(resource, old)])
            if _what(refusal) not in {_what(each) for each in await self._refusals(after.mesh, without.mesh, change)}:
                return (resource,)
        return [resource for _, resource in suspects]


def _what(of: Refusal) -> tuple[str, str]:
    return of.resource.name, of.words


def _key(change: Admission) -> Key:
    body = change.new if change.new is not None else change.old or {}
    meta = body.get("metadata", {})
    return Key(change.kind.resource, meta.get("namespace", ""), meta.get("name", ""))
