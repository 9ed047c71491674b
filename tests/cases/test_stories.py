"""Every story of this folder: decoded and translated, compiled, simulated, and replayed on real Envoys, with equal outcome."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from agreement import Agreement
from backends import Backends
from golden import ORDINARY, check, of_story
from ordinary import usual
from replay import replayed
from story import Story, stories, story_authority
from words import difference, words

from weft.simulate.simulate import simulate

STORIES = tuple(stories())
each = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@pytest.fixture(scope="session")
def backends() -> Iterator[Backends]:
    """The servers behind all stories."""
    made = Backends(story_authority())
    yield made
    made.close()


def test_what_is_ordinary_is_written_once() -> None:
    """`ordinary.yaml` says what every cluster, virtual host and route has in a mesh of one service."""
    assert not check(ORDINARY, usual())


@each
def test_its_findings_are_those_told(story: Story) -> None:
    """Reading the resources finds what `findings.yaml` says, and nothing else."""
    assert story.findings() == story.expected_findings()


@each
def test_its_proxies_are_told_what_their_goldens_say(story: Story) -> None:
    """Each caller's Envoy resources are those of `proxies/`."""
    wrong = [check(story.folder / "proxies" / f"{name}.yaml", of_story(story, name)) for name in story.proxies]
    assert not any(wrong), "\n".join(wrong)


@each
def test_its_calls_come_to_what_is_told(story: Story) -> None:
    """Every call, simulated, comes to what `calls.yaml` says."""
    for one in story.tellings:
        outcome = simulate(story.snapshot(one.caller), one.call)
        assert not (wrong := difference(one.then, words(outcome, one.call))), f"{one.text}\n{wrong}"


@each
def test_a_real_envoy_does_what_is_simulated(story: Story, backends: Backends, tmp_path: Path) -> None:
    """Every call through a real Envoy meets what was simulated."""
    with replayed(story, tmp_path, backends.authority, backends) as replay:
        for one in story.tellings:
            outcome = simulate(story.snapshot(one.caller), one.call)
            wrong = Agreement(replay, one.caller, one.call, outcome, one.then.get("envoy", {})).check()
            assert not wrong, f"{one.text}\n" + "\n".join(wrong) + "\n" + replay.log()
        assert replay.rejections() == []


def test_a_story_is_a_sentence() -> None:
    """The name of a story is words with dashes."""
    for one in STORIES:
        assert one.name.count("-") >= 2 and one.name.replace("-", "").isalnum() and one.name.islower(), one.name
