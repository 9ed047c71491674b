"""What is said about a write before it is made: decoding, then the mesh as it would be.

An ERROR refuses the write; everything else is told and let through, since resources may be applied in any order.
"""

from collections.abc import Sequence

from weft.controlplane.api.admission import Admission
from weft.controlplane.reconcile import Reconciler
from weft.finding import Finding
from weft.store.store import Key


class Judge:
    """Judges writes against the mesh in effect."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler

    async def admit(self, changes: Sequence[Admission]) -> tuple[Finding, ...]:
        """Every finding about the objects as they would be after all of `changes`."""
        imagined = self._reconciler.imagined((_key(change), change.new) for change in changes)
        return tuple(finding for _, findings in imagined for finding in findings)


def _key(change: Admission) -> Key:
    body = change.new if change.new is not None else change.old or {}
    meta = body.get("metadata", {})
    return Key(change.kind.resource, meta.get("namespace", ""), meta.get("name", ""))
