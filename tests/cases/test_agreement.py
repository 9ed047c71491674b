"""A replay that is otherwise than simulated is noticed: what the stories prove rests on it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from agreement import Agreement
from backends import Backends
from replay import Replay, replayed
from story import CASES, Story, story_authority

from weft.simulate.call import HttpCall
from weft.simulate.outcome import Forwarded, HeaderChange, Outcome
from weft.simulate.simulate import simulate

STORY = Story(CASES / "requests-are-split-by-weight-among-subsets")


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    """A split of 80 and 20, playing."""
    backends = Backends(story_authority())
    with replayed(STORY, Path(tmp_path_factory.mktemp("r")), backends.authority, backends) as made:
        yield made
    backends.close()


def _wrong(replay: Replay, change: Forwarded) -> list[str]:
    (one,) = STORY.tellings
    outcome = simulate(STORY.snapshot("web"), one.call)
    return Agreement(replay, "web", one.call, Outcome(change, outcome.matched)).check()


def _simulated() -> Forwarded:
    (one,) = STORY.tellings
    found = simulate(STORY.snapshot("web"), one.call).action
    assert isinstance(found, Forwarded) and isinstance(one.call, HttpCall)
    return found


def test_what_is_simulated_agrees(replay: Replay) -> None:
    """The outcome as simulated is the one that happens."""
    assert _wrong(replay, _simulated()) == []


def test_other_shares_are_noticed(replay: Replay) -> None:
    """Shares of 20 and 80 are not those of 80 and 20."""
    found = _simulated()
    assert _wrong(replay, replace(found, shares=tuple(replace(one, percent=100.0 - one.percent) for one in found.shares)))


def test_a_stranger_is_noticed(replay: Replay) -> None:
    """An endpoint that answers and was not simulated is a difference."""
    found = _simulated()
    assert _wrong(replay, replace(found, shares=(replace(found.shares[1], percent=100.0),)))


def test_another_request_and_another_response_are_noticed(replay: Replay) -> None:
    """A path that no endpoint saw, a time limit that was not given and a header that did not come are differences."""
    found = _simulated()
    share = found.shares[0]
    assert share.request
    others = tuple(replace(one, request=replace(share.request, path="/other")) for one in found.shares)
    assert any("saw" in wrong for wrong in _wrong(replay, replace(found, shares=others)))
    assert any("time limit" in wrong for wrong in _wrong(replay, replace(found, timeout=3.0)))
    both = tuple(endpoint for one in found.shares for endpoint in one.endpoints)
    merged = replace(share, percent=100.0, endpoints=both, response=(HeaderChange("set", "x-none", "1"),))
    assert any("x-none" in wrong for wrong in _wrong(replay, replace(found, shares=(merged,))))
