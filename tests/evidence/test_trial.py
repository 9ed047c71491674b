"""What policies on trial would have denied."""

from dataclasses import replace

from recorded import call, mesh, policy

from weft.evidence.decision import Outcome, declared
from weft.evidence.trial import on_trial, tried
from weft.telemetry.recorded import RecordedCall


def trial(name: str, spec: str) -> str:
    """A policy with the annotation of a dry run."""
    return policy(name, spec).replace("namespace: default", 'namespace: default, annotations: {"istio.io/dry-run": "true"}')


def shadowed(by: str, of: RecordedCall) -> RecordedCall:
    """A call of which its proxy said that a rule on trial would have denied it."""
    return replace(of, edge=replace(of.edge, shadow=by))


def test_what_nothing_on_trial_would_allow_names_those_policies() -> None:
    """Unless a policy in force allows it: then nothing would become of it."""
    batch = "{rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/batch]}}]}]}"
    calls = [shadowed("none", call()), shadowed("none", call(by="batch")), call(by="cron")]
    found = list(tried(mesh(trial("t", "{}"), policy("p", batch)), declared, calls))
    assert [(one.policies, one.in_force) for one in found] == [
        (("default/t",), Outcome.DENIED),
        (("default/t",), Outcome.ALLOWED),
    ]


def test_what_is_no_longer_on_trial_is_left_out() -> None:
    """The record remembers longer than policies live."""
    calls = [shadowed("none", call()), shadowed("ns[default]-policy[gone]-rule[0]", call())]
    assert list(tried(mesh(policy("p", "{}")), declared, calls)) == []
    deny = mesh(trial("t", "{action: DENY, rules: [{}]}"))
    (found,) = tried(deny, declared, [shadowed("ns[default]-policy[t]-rule[0]", call()), *calls])
    assert found.policies == ("default/t",) and [one.name for one in on_trial(deny)] == ["t"]
