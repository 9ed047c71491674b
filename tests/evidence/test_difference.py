"""Which recorded calls a change of policies would decide otherwise."""

import time

from recorded import REVIEWS, call, identity, mesh, policy, stranger

from weft.evidence.decision import Decisions
from weft.evidence.difference import Effect, differences
from weft.telemetry.calls import Call, Caller, Edge, Operation, Seen
from weft.telemetry.recorded import Destination, RecordedCall

ONLY_WEB = policy("p", "{rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]}]}")


def found(before: str, after: str, *calls: RecordedCall) -> list[tuple[str, str]]:
    """The effects, and whose calls they are."""
    told = differences(Decisions(mesh(before)), Decisions(mesh(after)), calls)
    return [(one.effect.value, one.call.edge.caller.identity or one.call.edge.caller.address) for one in told]


def test_what_passed_and_would_be_denied_is_told() -> None:
    """Only those are named that the change concerns."""
    assert found("", ONLY_WEB, call(), call(by="batch"), stranger()) == [
        ("denied", identity("batch")),
        ("denied", "10.1.2.3"),
    ]


def test_what_is_denied_already_is_no_difference() -> None:
    """A call that passed once, and that today's policies deny, is not broken by tomorrow's."""
    assert found(policy("q", "{}"), policy("q", "{}") + ONLY_WEB, call(by="batch")) == []


def test_what_was_denied_and_would_pass_is_told() -> None:
    """Deleting a policy opens what it closed."""
    assert found(ONLY_WEB, "", call(by="batch", denied_by="none")) == [("newly allowed", identity("batch"))]


def test_what_was_denied_and_stays_denied_is_no_difference() -> None:
    """A refused call that another rule would refuse is not news."""
    assert found("", policy("q", "{}"), call(denied_by="none")) == []


def test_what_hangs_on_a_header_may_be_denied() -> None:
    """It is told apart from what is certain."""
    of = policy("p", "{action: DENY, rules: [{when: [{key: 'request.headers[x-user]', values: [mallory]}]}]}")
    assert found("", of, call()) == [("may be denied", identity("web"))]


def test_the_last_allow_policy_opens_and_another_closes() -> None:
    """Without one of two ALLOW policies what it alone allowed is denied."""
    batch = policy("b", "{rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/batch]}}]}]}")
    assert found(ONLY_WEB + batch, ONLY_WEB, call(), call(by="batch")) == [("denied", identity("batch"))]


def hour(services: int = 20, callers: int = 5, paths: int = 10) -> list[RecordedCall]:
    """An hour of so many services, each called by some others with some paths: 1,000 kinds."""
    calls = []
    for number in range(services):
        there = Destination("default", f"s{number}", f"s{number}", (("app", f"s{number}"), ("version", "v1")))
        for caller in range(callers):
            edge = Edge(there, 9080, Caller(identity(f"s{(number + caller + 1) % services}")))
            for path in range(paths):
                asked = Operation("GET", f"s{number}:9080", f"/api/v1/kind-{chr(97 + path)}/{{*}}")
                calls.append(Call(edge, asked, Seen(100, 0.0, 3_600.0)))
    return calls


def test_a_thousand_kinds_of_calls_are_judged_in_less_than_two_seconds() -> None:
    """Against one policy a service, each with a rule for each caller, before and after a default deny and a slip of the pen."""
    calls = hour()
    assert len(calls) == 1_000
    texts = []
    for number in range(20):
        rules = ", ".join(
            f"{{from: [{{source: {{principals: [cluster.local/ns/default/sa/s{(number + caller + 1) % 20}]}}}}], "
            f'to: [{{operation: {{methods: [GET], paths: ["/api/v1/{{*}}/{{*}}"]}}}}]}}'
            for caller in range(5 if number != 7 else 4)
        )
        texts.append(policy(f"p{number}", f"{{selector: {{matchLabels: {{app: s{number}}}}}, rules: [{rules}]}}"))
    before, after = mesh(""), mesh(*texts, policy("deny", "{}"))
    began = time.perf_counter()
    told = differences(Decisions(before), Decisions(after), calls)
    assert time.perf_counter() - began < 2.0
    assert {(one.effect, one.call.edge.caller.identity, one.call.edge.destination.workload) for one in told} == {
        (Effect.DENIES, identity("s12"), "s7")
    }
    assert len(told) == 10 and REVIEWS not in {one.call.edge.destination for one in told}
