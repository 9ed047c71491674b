"""Quotas, and the text in which a proxy tells one to the limiter."""

import pytest

from weft.quota import Quota, parse, text


def test_a_quota_survives_its_text() -> None:
    """What a proxy says of a quota is what the limiter reads."""
    for quota in (Quota(20, 1, 20), Quota(5, 86400, 3)):
        assert parse(text(quota)) == (quota, False)
        assert parse(text(quota, shadow=True)) == (quota, True)


@pytest.mark.parametrize("said", ["", "1/2", "0/1/1", "1/0/1", "1/1/0", "1/1/1/loud", "a/b/c", "1/1/1/shadow/shadow"])
def test_what_is_no_quota_is_refused(said: str) -> None:
    """Anything else than a quota raises ValueError."""
    with pytest.raises(ValueError, match=r".*"):
        parse(said)


def test_one_more_may_pass_after_a_whole_second_at_least() -> None:
    """Retry-After is a whole number of seconds, after which an empty bucket holds one."""
    assert [Quota(20, 1, 20).retry_after, Quota(2, 60, 2).retry_after, Quota(7, 60, 1).retry_after] == [1, 30, 9]
