"""What is asked before anything is written: may these changes be made, all together?"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weft.finding import Finding
from weft.resource.kind import Kind


@dataclass(frozen=True, slots=True)
class Admission:
    """One change: what stands there (None: nothing) and what is to stand there (None: nothing). Both are whole objects with
    the kind's preferred `apiVersion`."""

    kind: Kind
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None


Admit = Callable[[Sequence[Admission]], Awaitable[tuple[Finding, ...]]]
"""Judges changes that will be written together. An ERROR among the findings refuses them all."""


async def admit_all(changes: Sequence[Admission]) -> tuple[Finding, ...]:
    """Finds nothing wrong with anything."""
    return ()
