"""What an agent tells of rate limits."""

import logging

import pytest

from weft.agent.limits import Limited, Limits, limited

STATS = b"""{"stats": [
 {"name": "weft.shop.callers.each.http_local_rate_limit.enforced", "value": 3},
 {"name": "cluster.inbound|8080||.ratelimit.over_limit", "value": 4},
 {"name": "cluster.inbound|8080||.ratelimit.failure_mode_allowed", "value": 5},
 {"histograms": {}}]}"""


def test_refusals_of_proxies_and_of_the_limiter_are_one_number() -> None:
    """Local and global refusals are summed; what passed uncounted is apart."""
    assert limited(STATS) == Limited(7, 5)


def test_what_passed_uncounted_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Each growth is a line in the log, and an Envoy that starts again begins from nothing."""
    limits = Limits()
    with caplog.at_level(logging.WARNING):
        for said in (Limited(1, 0), Limited(4, 2), Limited(4, 2), Limited(1, 1)):
            limits.note("shop/web-0", said)
    assert (limits.refused, limits.uncounted) == (5, 3)
    assert [one.getMessage().split()[-1] for one in caplog.records] == ["uncounted=2", "uncounted=1"]
