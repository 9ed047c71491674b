"""Traffic that reached a workload although its policies, in effect for a while, deny it.

It has happened where a proxy did not get the policy, where a connection is older than it, or where a filter was taken out. A
decision that hangs on what is not recorded is no alarm.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from weft.compile.scope.screening_inputs import Guard
from weft.evidence.decision import Decision, Decisions, Outcome
from weft.telemetry.recorded import Destination, RecordedCall

GRACE = 5.0
"""Seconds that proxies have to take a policy in, and agents to report what came before it."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """A call that passed, and the decision it should have met. `since`: when the policies came into effect (Unix seconds)."""

    call: RecordedCall
    decision: Decision
    since: float


class Watch:
    """Remembers since when the policies of each port are in effect: what there is at the first look, from then on."""

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._since: dict[tuple[Destination, int, bool], tuple[Guard, float]] = {}

    def bypasses(self, decisions: Decisions, calls: Iterable[RecordedCall], now: float) -> tuple[Bypass, ...]:
        """What passed and should not have. `now` is the clock of the record."""
        seen: dict[tuple[Destination, int, bool], tuple[Guard, float]] = {}
        found: list[Bypass] = []
        for call in calls:
            key = (call.edge.destination, call.edge.port, call.is_tcp)
            if key not in seen:
                guard = decisions.guard(call)
                kept = self._since.get(key)
                seen[key] = kept if kept is not None and kept[0] == guard else (guard, now)
            found += self._one(decisions, call, seen[key][1])
        self._since = seen
        return tuple(found)

    def _one(self, decisions: Decisions, call: RecordedCall, since: float) -> Iterator[Bypass]:
        if call.edge.denied_by or call.seen.last < since + self._grace:
            return
        decision = decisions.of(call)
        if decision.outcome is Outcome.DENIED:
            yield Bypass(call, decision, since)
