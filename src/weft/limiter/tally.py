"""What was refused, and what would have been, told in the log now and then: a line for each refusal would be a second flood."""

import asyncio
import logging
from collections import Counter

_PERIOD = 10.0  # seconds between two reports
_log = logging.getLogger("weft.limiter")


class Tally:
    """Counts by rule since the last report."""

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()
        self._watched: Counter[str] = Counter()
        self._unanswered: Counter[str] = Counter()

    def refused(self, name: str, *, shadow: bool) -> None:
        """A rule refused a request, or, in the shadow, would have."""
        (self._watched if shadow else self._refused)[name] += 1

    def unanswered(self, why: str) -> None:
        """A question had no answer. The first one is told at once."""
        if not self._unanswered:
            _log.warning("event=store-away reason=%r", why)
        self._unanswered[why] += 1

    async def run(self) -> None:
        """Reports without end."""
        while True:
            await asyncio.sleep(_PERIOD)
            self.report()

    def report(self) -> None:
        """Reports now what there is."""
        for event, counts in (("limited", self._refused), ("would-limit", self._watched)):
            for name, count in sorted(counts.items()):
                _log.info("event=%s rule=%s requests=%d", event, name, count)
        if self._unanswered:
            _log.warning("event=unanswered questions=%d", self._unanswered.total())
        self._refused, self._watched, self._unanswered = Counter(), Counter(), Counter()
