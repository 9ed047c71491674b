"""Every story of `authorization/`: what its policies refuse is refused by a real Envoy, says by whom, and so says simulation."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from backends import Backends
from guarded import GuardedStage, GuardedStory, Telling, guarded_stories
from story import story_authority

from weft.simulate.outcome import Answered, Closed, Forwarded, Outcome
from weft.simulate.simulate import simulate

STORIES = tuple(guarded_stories())
each = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name.replace(" ", "-"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedStage]:
    """All stories, playing."""
    backends = Backends(story_authority())
    made = GuardedStage({one.name: one for one in STORIES}, Path(tmp_path_factory.mktemp("s")), backends.authority, backends)
    try:
        made.start()
        yield made
    finally:
        made.closing.close()
        backends.close()


def test_there_are_many_and_each_has_both_ends() -> None:
    """No two stories have one name, and each has calls that pass and calls that do not."""
    assert len({one.name for one in STORIES}) == len(STORIES) >= 120
    for one in STORIES:
        assert {"allowed", "denied"} <= {telling.then for telling in one.tellings}, one.name


@each
def test_its_resources_are_without_fault(story: GuardedStory) -> None:
    """Nothing is found but what the story says."""
    expected = [*story.said.get("findings", ()), "gateway-without-workload: Gateway istio-system/edge"]
    assert [one for one in story.findings() if one not in expected] == []


def _came_to(outcome: Outcome) -> tuple[str, str]:
    match outcome.action:
        case Answered(403, _, changes):
            return "denied", changes[0].value if changes else ""
        case Closed(why):
            return "denied", why
        case Answered(status):
            return str(status), ""
        case Forwarded():
            return "allowed", ""
    raise AssertionError(outcome)


@each
def test_its_calls_are_judged_as_told(story: GuardedStory) -> None:
    """Simulated, what is allowed goes on, and what is denied is answered with the rule that denied it."""
    for one in () if story.said.get("envoy only") else story.tellings:
        if one.then == "400" or "external" in one.by:  # no request: Envoy does not read it
            continue
        outcome = simulate(story.snapshot(one.caller), one.call)
        if any("ext_authz" in name for name in outcome.unread):  # somebody else decides
            continue
        came, by = _came_to(outcome)
        assert came == one.then, f"{one.text}: {came} by {by}"
        assert one.by in by, (one.text, by)


@each
def test_a_real_envoy_judges_alike(story: GuardedStory, stage: GuardedStage) -> None:
    """Every call meets what was told, and a refusal says who refused it in the words that were simulated."""
    assert stage.rejections() == []
    wrong = [said for one in story.tellings if (said := _difference(story, stage, one))]
    assert not wrong, "\n".join(wrong)


def _difference(story: GuardedStory, stage: GuardedStage, one: Telling) -> str:
    met = stage.ask(story.name, one)
    if one.then == "allowed":
        return "" if met.status == 200 and (met.text or one.text.find("HEAD") >= 0) else f"{one.text}: {met}"
    if one.then != "denied":
        return "" if str(met.status) == one.then else f"{one.text}: {met}"
    if one.text.find("TCP") >= 0:
        return "" if met.status == 0 else f"{one.text}: {met}"
    named = met.headers.get("x-weft-denied-by", "")
    if story.said.get("envoy only"):
        return "" if met.status == 403 and one.by in named else f"{one.text}: {met}"
    outcome = simulate(story.snapshot(one.caller), one.call)
    if any("ext_authz" in name for name in outcome.unread):
        return "" if met.status == 403 and one.by in named else f"{one.text}: {met}"
    _, by = _came_to(outcome)
    return "" if met.status == 403 and by and named == by else f"{one.text}: {met}, simulated {by}"


def test_only_what_is_selected_is_asked_about(stage: GuardedStage) -> None:
    """An authorizer is shown what the mesh says and no more, and adds to request and answer what it may."""
    story = stage.stories["an authorizer decides over http about what a policy selects"]
    stage.authorizers.questions.clear()
    met = [stage.ask(story.name, one) for one in story.tellings]
    asked = stage.authorizers.questions
    assert [one.path for one in asked] == ["/check/x", "/check/x", "/check/x"]
    assert [one.headers.get("x-allow") for one in asked] == ["yes", None, None]
    assert {one.headers["x-asked-by"] for one in asked} == {"weft"}
    passed, refused = met[1], met[2]
    assert passed.headers["x-reason"] == "whim" and "x-user" not in passed.headers
    assert refused.text == "not today" and refused.headers["x-reason"] == "whim"


def _logs(stage: GuardedStage, story: str, **wanted: object) -> bool:
    """Whether a call of the story is told with these words; Envoy writes every ten seconds."""
    told = stage.stories[story]
    for one in told.tellings:
        stage.ask(told.name, one)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        lines = (stage.folder / "envoy.log").read_text().splitlines()
        said = [json.loads(one) for one in lines if one.startswith('{"') and one.endswith("}")]
        if any(wanted.items() <= one.items() for one in said if one.get("event") == "policy"):
            return True
        time.sleep(0.1)
    return False


def test_a_refusal_is_a_line_in_the_log(stage: GuardedStage) -> None:
    """It says who asked for what, and which rule refused it or whose rules did not allow it."""
    web, rule = "spiffe://cluster.local/ns/default/sa/web", "rbac_access_denied_matched_policy[ns[default]-policy[p]-rule[0]]"
    denied = "a denied path is denied with any query"
    assert _logs(stage, denied, decided=rule, caller=web, method="GET", path="/admin", status=403)
    nobody = "an allowed principal may call and nobody else"
    assert _logs(stage, nobody, decided="rbac_access_denied_matched_policy[none]", allowing="default/p", host="reviews:9080")


def test_a_refused_connection_is_a_line_in_the_log(stage: GuardedStage) -> None:
    """It says whose it was, and which rule closed it."""
    batch, rule = "spiffe://cluster.local/ns/jobs/sa/batch", "rbac_access_denied_matched_policy[ns[default]-policy[p]-rule[0]]"
    assert _logs(stage, "a caller of connections may be denied", decided=rule, caller=batch)


def test_what_decides_nothing_is_a_line_in_the_log(stage: GuardedStage) -> None:
    """Requests that pass are told when a policy under AUDIT is about them, or one on a dry run would have refused them."""
    assert _logs(stage, "an audit decides nothing", audited="ns[default]-policy[look]-rule[0]", status=200)
    assert _logs(stage, "a dry run decides nothing", dryRunDeny="ns[default]-policy[deny]-rule[0]", status=200)


def test_refusals_are_counted_by_rule(stage: GuardedStage) -> None:
    """The Prometheus page of an Envoy has a counter for each rule that refuses, and one for what no rule allowed."""
    for name in ("a denied path is denied with any query", "an allowed principal may call and nobody else"):
        for one in stage.stories[name].tellings:
            stage.ask(name, one)
    page = stage.statistics("rbac.*denied$")
    assert 'envoy_http_rbac_policy_denied{weft_policy="ns[default]-policy[p]-rule[0]"' in page, page
    assert 'envoy_http_rbac_unallowed_denied{envoy_http_conn_manager_prefix="inbound|9080"}' in page, page
