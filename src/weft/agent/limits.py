"""What rate limits did at this node: how many requests its Envoys refused, and how many passed that nobody counted, because the
limiter did not answer. The latter is said in the log as well: a limit that silently does not hold is worse than none.
"""

import logging
from pathlib import Path
from typing import NamedTuple

import msgspec

from weft.agent import http1

LOG = logging.getLogger(__name__)
_PATH = r"/stats?filter=(http_local_rate_limit\.enforced|ratelimit\.(over_limit|failure_mode_allowed))$&format=json&usedonly"


class Limited(NamedTuple):
    """Counts of one Envoy since it started."""

    refused: int = 0
    uncounted: int = 0


def limited(stats: bytes) -> Limited:
    """The counts in Envoy's answer to `_PATH`."""
    refused = uncounted = 0
    for stat in msgspec.json.decode(stats).get("stats", []):
        if stat.get("name", "").endswith(".failure_mode_allowed"):
            uncounted += int(stat["value"])
        elif "name" in stat:
            refused += int(stat["value"])
    return Limited(refused, uncounted)


class Limits:
    """The sums over all Envoys, those that are gone included."""

    def __init__(self) -> None:
        self._last: dict[str, Limited] = {}
        self.refused = 0  # a counter
        self.uncounted = 0  # a counter

    async def look(self, proxies: dict[str, Path]) -> None:
        """Asks every Envoy at its admin socket; one that does not answer is left for the next time."""
        for key, admin in proxies.items():
            try:
                answer = await http1.get(admin, _PATH, timeout=1.5)
                self.note(key, limited(answer.body))
            except (OSError, msgspec.DecodeError):
                continue
        self._last = {key: said for key, said in self._last.items() if key in proxies}

    def note(self, key: str, now: Limited) -> None:
        """What an Envoy counts now. One that counts less than before was started again."""
        before = self._last.get(key, Limited())
        if now.refused < before.refused or now.uncounted < before.uncounted:
            before = Limited()
        self._last[key] = now
        self.refused += now.refused - before.refused
        self.uncounted += (passed := now.uncounted - before.uncounted)
        if passed:
            LOG.warning("rate limiter does not answer proxy=%s uncounted=%d", key, passed)
