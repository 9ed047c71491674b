"""Every story of `authorization/`: what its policies refuse is refused by a real Envoy, says by whom, and so says simulation."""

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
    for one in story.tellings:
        if one.then == "400":  # no request: Envoy does not read it
            continue
        came, by = _came_to(simulate(story.snapshot(one.caller), one.call))
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
    _, by = _came_to(simulate(story.snapshot(one.caller), one.call))
    named = met.headers.get("x-weft-denied-by", "")
    return "" if met.status == 403 and by and named == by else f"{one.text}: {met}, simulated {by}"
