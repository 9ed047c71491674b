"""Which recorded calls a change of policies would decide otherwise, by caller."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from weft.evidence.decision import Decision, Decisions, Outcome
from weft.telemetry.recorded import RecordedCall


class Effect(Enum):
    """DENIES: it passed and would be denied. MAY_DENY: it passed, and whether it will depends on what is not recorded. ALLOWS: it
    is denied and would pass."""

    DENIES = "denied"
    MAY_DENY = "may be denied"
    ALLOWS = "newly allowed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One kind of call that is decided otherwise, and the decision it would meet (of one that would pass: the one it meets)."""

    effect: Effect
    call: RecordedCall
    decision: Decision


def differences(before: Decisions, after: Decisions, calls: Iterable[RecordedCall]) -> tuple[Difference, ...]:
    """All of them. What some policy decides as before, and what was denied and stays so, is no difference."""
    return tuple(_found(before, after, calls))


def _found(before: Decisions, after: Decisions, calls: Iterable[RecordedCall]) -> Iterator[Difference]:
    for call in calls:
        if before.guard(call) == after.guard(call):
            continue
        was, would = before.of(call), after.of(call)
        if was.outcome is would.outcome:
            continue
        if would.outcome is Outcome.ALLOWED:
            yield Difference(Effect.ALLOWS, call, was)
        elif call.edge.denied_by:
            continue
        elif would.outcome is Outcome.DENIED:
            yield Difference(Effect.DENIES, call, would)
        elif was.outcome is Outcome.ALLOWED:
            yield Difference(Effect.MAY_DENY, call, would)
