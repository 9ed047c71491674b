"""Calls that passed and should not have."""

from dataclasses import replace

from recorded import call, connection, mesh, policy

from weft.evidence.bypass import Watch
from weft.evidence.decision import Decisions
from weft.telemetry.calls import Seen
from weft.telemetry.recorded import RecordedCall

CLOSED = Decisions(mesh(policy("closed", "{}")))


def at(second: float, of: RecordedCall) -> RecordedCall:
    """The call, last seen then."""
    return replace(of, seen=Seen(1, 0.0, second))


def test_a_call_that_passed_after_its_policy_is_an_alarm() -> None:
    """It counts from when the policy was first seen in effect, and some seconds of grace."""
    watch = Watch(grace=5.0)
    assert watch.bypasses(Decisions(mesh("")), [at(90, call())], 100) == ()
    assert watch.bypasses(CLOSED, [at(199, call())], 200) == ()
    assert watch.bypasses(CLOSED, [at(204, call())], 210) == ()
    (found,) = watch.bypasses(CLOSED, [at(206, call())], 210)
    assert (found.since, found.decision.policies) == (200, ("default/closed",))


def test_what_was_denied_or_is_not_known_is_none() -> None:
    """A refused call met its policy; one that hangs on a header may have."""
    watch = Watch(grace=5.0)
    header = "{action: DENY, rules: [{when: [{key: 'request.headers[x-user]', values: [mallory]}]}]}"
    unsure = Decisions(mesh(policy("p", header)))
    for decisions, one in ((CLOSED, call(denied_by="none")), (unsure, call())):
        watch.bypasses(decisions, [one], 100)
        assert watch.bypasses(decisions, [at(150, one)], 160) == ()


def test_a_changed_policy_begins_anew() -> None:
    """What passed under the policies before is no bypass of the new ones."""
    watch = Watch(grace=5.0)
    watch.bypasses(Decisions(mesh("")), [at(0, connection())], 100)
    assert watch.bypasses(CLOSED, [at(150, connection())], 151) == ()
    assert len(watch.bypasses(CLOSED, [at(160, connection())], 161)) == 1
