"""The least that must be allowed."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import REVIEWS, call, connection, mesh, stranger

from weft.evidence.decision import Decisions, Outcome
from weft.evidence.suggestion import suggested
from weft.telemetry.recorded import Destination, RecordedCall

STORE = Destination("data", "store", "store", (("app", "store"),))


def test_a_policy_for_each_workload_in_few_words() -> None:
    """Callers that ask the same share a rule; paths with the same methods stand together."""
    calls = [call("/"), call("/books/{*}"), call("/books/{*}", "POST"), call("/", by="cron"), call("/x", denied_by="none")]
    (found,), notes = suggested(calls)
    assert notes == ()
    assert found["metadata"] == {"name": "calls-to-reviews", "namespace": "default"}
    assert found["spec"]["selector"] == {"matchLabels": {"app": "reviews"}}
    assert found["spec"]["rules"] == [
        {
            "from": [{"source": {"principals": ["cluster.local/ns/default/sa/cron"]}}],
            "to": [{"operation": {"ports": ["9080"], "methods": ["GET"], "paths": ["/"]}}],
        },
        {
            "from": [{"source": {"principals": ["cluster.local/ns/default/sa/web"]}}],
            "to": [
                {"operation": {"ports": ["9080"], "methods": ["GET"], "paths": ["/"]}},
                {"operation": {"ports": ["9080"], "methods": ["GET", "POST"], "paths": ["/books/{*}"]}},
            ],
        },
    ]


def test_strangers_are_named_by_address_and_told() -> None:
    """A caller without a certificate is allowed by its address, with a note; too many to name are not allowed."""
    (found,), notes = suggested([stranger(address="10.0.0.9"), stranger(address="*")])
    assert found["spec"]["rules"][0]["from"] == [{"source": {"ipBlocks": ["10.0.0.9"]}}]
    assert "too many addresses" in notes[0]


def test_a_default_deny_goes_with_it() -> None:
    """One for each namespace; a gateway there stays open, with a note."""
    edge = Destination("default", "ingress", "ingress", (("app", "ingress"),))
    found, notes = suggested([call(), connection(to=STORE)], [edge], default_deny=True)
    assert [one["metadata"]["name"] for one in found] == [
        "calls-to-store",
        "calls-to-reviews",
        "calls-to-ingress",
        "default-deny",
        "default-deny",
    ]
    assert found[2]["spec"]["rules"] == [{}] and found[3]["spec"] == {}
    assert notes == ("default/ingress is a gateway: whoever reaches it may call it; its routes say what",)


NAMES = st.sampled_from(("web", "cron", "batch", "shop"))
PATHS = st.lists(st.sampled_from(("a", "b", "books", "v1", "{*}", "")), min_size=1, max_size=3).map(lambda of: "/" + "/".join(of))
CALLS = st.one_of(
    st.builds(
        lambda path, method, by, port: call(path, method, by=by, port=port),
        PATHS,
        st.sampled_from(("GET", "POST", "*")),
        NAMES,
        st.sampled_from((9080, 9090)),
    ),
    st.builds(lambda by: connection(by, STORE), NAMES),
    st.just(stranger()),
)


def asked(of: RecordedCall) -> tuple[object, ...]:
    """What tells kinds of calls apart for policies."""
    return (of.edge.destination, of.edge.port, of.edge.caller, of.operation.method, of.operation.path)


@settings(max_examples=150, deadline=None)
@given(st.lists(CALLS, min_size=1, max_size=25), CALLS)
def test_what_was_seen_passes_and_what_was_not_is_denied(calls: list[RecordedCall], other: RecordedCall) -> None:
    """Under the suggestion and its default deny every call that was seen passes; another passes only where a rule must say
    more than was seen: any path of a template, any method where one has no name."""
    policies, _ = suggested(calls, default_deny=True)
    decisions = Decisions(mesh(*policies))
    assert [one for one in calls if decisions.of(one).outcome is not Outcome.ALLOWED] == []
    seen = {asked(one) for one in calls}
    at_workload = other.edge.destination.namespace in {one.edge.destination.namespace for one in calls}
    plain = "{" not in str([one.operation for one in calls]) and "*" not in {one.operation.method for one in (*calls, other)}
    if asked(other) not in seen and at_workload and plain and "{" not in other.operation.path:
        assert decisions.of(other).outcome is Outcome.DENIED


def test_a_workload_is_selected_by_what_its_versions_share() -> None:
    """The label `version` is no part of the selector."""
    second = replace(REVIEWS, labels=(("app", "reviews"), ("version", "v2")))
    (found,), _ = suggested([call(), call(to=second)])
    assert found["spec"]["selector"] == {"matchLabels": {"app": "reviews"}}
