"""A quota: how many may pass in a time, and how many of them at once; and the text in which an Envoy tells it to the limiter.

It is a bucket that holds `burst` and refills steadily, `requests` in `seconds`: over any time of T seconds at most
`burst + T * requests / seconds` pass. The limiter knows no configuration: each question carries the quota that it is about.
"""

import math
from dataclasses import dataclass

DOMAIN = "weft"
"""The domain of the questions to the limiter."""

NAME_KEY, QUOTA_KEY = "name", "quota"
"""The entries of a question: whose quota, and the quota. What follows is what it is counted by."""

_SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Quota:
    """`requests` in `seconds`, at most `burst` at once."""

    requests: int
    seconds: int
    burst: int

    @property
    def interval(self) -> float:
        """Seconds in which one more may pass."""
        return self.seconds / self.requests

    @property
    def retry_after(self) -> int:
        """Whole seconds after which an empty bucket holds one again."""
        return max(1, math.ceil(self.interval))

    @property
    def policy(self) -> str:
        """Its parameters in the field RateLimit-Policy."""
        return f"q={self.requests};w={self.seconds}"


def text(of: Quota, *, shadow: bool = False) -> str:
    """The quota in a question. `shadow`: it is counted and lets everything pass."""
    return f"{of.requests}/{of.seconds}/{of.burst}" + (f"/{_SHADOW}" if shadow else "")


def parse(said: str) -> tuple[Quota, bool]:
    """The quota of a question, and whether it lets everything pass. Raises ValueError."""
    *numbers, last = said.split("/") if said.endswith(_SHADOW) else (*said.split("/"), "")
    if len(numbers) != 3 or not all(one.isascii() and one.isdigit() and int(one) for one in numbers):
        raise ValueError(f"no quota: {said!r}")
    requests, seconds, burst = map(int, numbers)
    return Quota(requests, seconds, burst), last == _SHADOW
