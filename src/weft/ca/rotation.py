"""When a certificate is renewed. Pure: time and chance are arguments."""

from datetime import datetime, timedelta

SPREAD = 0.1  # of the lifetime


def renewal(not_before: datetime, not_after: datetime, chance: float) -> datetime:
    """When to renew: at half-life, or up to a tenth of the lifetime earlier, so that many made together do not ask
    together. `chance` is in [0, 1)."""
    return not_before + (not_after - not_before) * (0.5 - SPREAD * chance)


def is_due(not_before: datetime, not_after: datetime, now: datetime, chance: float = 0.0) -> bool:
    """Whether the time to renew has come, or the certificate lies in the future (the clock was set back)."""
    return now >= renewal(not_before, not_after, chance) or now < not_before - timedelta(minutes=5)


def retry(attempt: int, chance: float, longest: float = 30.0) -> float:
    """Seconds to wait before attempt number `attempt` (from 1): doubling from half a second, halved by chance at most."""
    return min(longest, 0.5 * 2.0 ** min(attempt - 1, 10)) * (1 - chance / 2)
