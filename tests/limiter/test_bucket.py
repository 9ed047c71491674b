"""Buckets: what passes over any time."""

from hypothesis import given
from hypothesis import strategies as st

from weft.limiter.bucket import decision
from weft.quota import Quota

QUOTAS = st.builds(Quota, st.integers(1, 200), st.sampled_from([1, 60, 3600]), st.integers(1, 50))


def test_a_bucket_holds_its_burst_and_refills_steadily() -> None:
    """Of 60 in a minute with a burst of 3: three at once, the fourth waits a second, and then one passes."""
    quota, full = Quota(60, 60, 3), 0.0
    for remaining in (2, 1, 0):
        made = decision(full, 100.0, quota)
        assert made.passes and made.remaining == remaining
        full = made.full
    refused = decision(full, 100.0, quota)
    assert not refused.passes and refused.remaining == 0 and abs(refused.wait - 1.0) < 1e-6
    assert decision(full, 101.0, quota).passes


@given(QUOTAS, st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_no_time_lets_more_pass_than_its_burst_and_its_rate(quota: Quota, pauses: list[int]) -> None:
    """Whatever comes when: in T seconds at most `burst` and T times the rate pass."""
    full, now, passed = 0.0, 1000.0, []
    for pause in pauses:
        now += pause / 100
        made = decision(full, now, quota)
        if made.passes:
            full, passed = made.full, [*passed, now]
    for first, began in enumerate(passed):
        for count, ended in enumerate(passed[first:], 1):
            assert count <= quota.burst + (ended - began) / quota.interval + 1e-3


@given(QUOTAS, st.floats(0, 1e6))
def test_who_waits_as_long_as_is_said_passes(quota: Quota, now: float) -> None:
    """After `wait` seconds a refused request passes."""
    full = 0.0
    while (made := decision(full, now, quota)).passes:
        full = made.full
    assert decision(full, now + made.wait, quota).passes


def test_several_hits_pass_together_or_not_at_all() -> None:
    """What counts as three finds room for three."""
    quota = Quota(10, 1, 4)
    first = decision(0.0, 5.0, quota, hits=3)
    assert first.passes and first.remaining == 1
    assert not decision(first.full, 5.0, quota, hits=3).passes
    assert not decision(0.0, 5.0, quota, hits=5).passes
