"""The states of a tightening, as conversations: what is seen, and what follows."""

from dataclasses import replace

import pytest

from weft.rollout.scope import Scope, scope
from weft.rollout.tighten import Action, Failures, Limits, Phase, Seen, Sighting, Tightening, decided

LIMITS = Limits(window=60, watch=30, patience=10)
NEW = Tightening(Scope("shop"), LIMITS, "shop/default", "", 100.0, 100.0)
OLD = Sighting("shop/reviews-0", 9080, "10.0.0.9", 4, 20.0)


def test_it_enforces_when_everybody_has_acknowledged() -> None:
    """Plaintext from before the window does not count; a proxy that has not answered does."""
    waiting, action = decided(NEW, Seen(101, waiting=("shop/web-0",), plaintext=(OLD,)))
    assert (waiting.phase, waiting.waiting, action) == (Phase.ACKNOWLEDGING, ("shop/web-0",), Action.NOTHING)
    enforcing, action = decided(waiting, Seen(102, plaintext=(OLD,), failures=Failures(100, 2)))
    assert (enforcing.phase, enforcing.since, enforcing.baseline, action) == (Phase.ENFORCING, 102, 0.02, Action.ENFORCE)


def test_it_changes_nothing_when_somebody_does_not_answer() -> None:
    """The one that did not answer is named."""
    failed, action = decided(NEW, Seen(111, waiting=("shop/web-0",)))
    assert (failed.phase, action) == (Phase.FAILED, Action.NOTHING)
    assert "shop/web-0" in failed.reason


def test_it_changes_nothing_when_plaintext_comes_meanwhile() -> None:
    """Who sent it is named."""
    failed, action = decided(NEW, Seen(101, plaintext=(replace(OLD, last=100.5),)))
    assert (failed.phase, action) == (Phase.FAILED, Action.NOTHING)
    assert failed.reason == "plaintext came meanwhile: 10.0.0.9 to shop/reviews-0 port 9080"


@pytest.mark.parametrize(
    "seen",
    [
        Seen(104, plaintext=(replace(OLD, last=103.0, refused=True),), tight=True),
        Seen(104, failures=Failures(100, 9), tight=True),
        Seen(104, aborted=True, tight=True),
    ],
)
def test_it_goes_back_at_a_refused_caller_at_failures_and_when_told(seen: Seen) -> None:
    """Each of them restores what was, until that is so everywhere."""
    enforcing = NEW.into(Phase.ENFORCING, 102)
    reverting, action = decided(enforcing, seen)
    assert (reverting.phase, action) == (Phase.REVERTING, Action.RESTORE)
    assert reverting.reason
    again, action = decided(reverting, Seen(105, waiting=("shop/reviews-0",)))
    assert (again.phase, action) == (Phase.REVERTING, Action.RESTORE)
    reverted, action = decided(again, Seen(106))
    assert (reverted.phase, action) == (Phase.REVERTED, Action.NOTHING)


def test_failures_that_were_there_before_do_not_count() -> None:
    """A part that fails as it did, and a handful among few, are no spike."""
    enforcing = replace(NEW.into(Phase.ENFORCING, 102), baseline=0.3)
    for failures in (Failures(100, 33), Failures(4, 4)):
        assert decided(enforcing, Seen(104, failures=failures, tight=True)) == (enforcing, Action.NOTHING)


def test_it_is_done_when_nothing_failed_for_long_enough() -> None:
    """Plaintext that was seen before it was refused does not count; until it is in effect it is written again."""
    enforcing = NEW.into(Phase.ENFORCING, 102)
    assert decided(enforcing, Seen(104, plaintext=(replace(OLD, last=101.0),))) == (enforcing, Action.ENFORCE)
    assert decided(enforcing, Seen(131, tight=True)) == (enforcing, Action.NOTHING)
    done, _ = decided(enforcing, Seen(132, tight=True))
    assert done.phase is Phase.DONE
    assert decided(done, Seen(1000, plaintext=(replace(OLD, last=999.0),))) == (done, Action.NOTHING)


def test_a_scope_is_the_mesh_a_namespace_or_a_workload() -> None:
    """And nothing else."""
    assert [str(scope(text)) for text in ("", "mesh", "shop", "shop/reviews")] == ["mesh", "mesh", "shop", "shop/reviews"]
    assert scope("shop/reviews").covers("shop", "reviews") and not scope("shop/reviews").covers("shop", "web")
    for text in ("/", "a/", "/b", "a/b/c"):
        with pytest.raises(ValueError, match="a scope is"):
            scope(text)
