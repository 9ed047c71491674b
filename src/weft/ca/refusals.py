"""Which refusals are worth a line in the log: the first of each peer and reason, then one a minute with the number since.

Pure: time is an argument. What a peer sent never becomes a key, so that it cannot fill the memory; the number of keys is
bounded all the same.
"""

import json
from dataclasses import dataclass, field

WINDOW = 60.0
MOST_KEYS = 10_000


@dataclass(slots=True)
class _Seen:
    logged: float
    since: int = 0


@dataclass(slots=True)
class Refusals:
    """What was refused lately, by peer and reason."""

    window: float = WINDOW
    _seen: dict[tuple[str, str], _Seen] = field(default_factory=dict)

    def line(self, peer: str, reason: str, now: float, detail: str = "", count: int = 1) -> str | None:
        """The line to log for a refusal, None when the like was logged less than a window ago.

        `reason` is one of a few constant texts; `detail` may vary and does not make a line of its own.
        """
        seen = self._seen.get((peer, reason))
        if seen is not None and now - seen.logged < self.window:
            seen.since += count
            return None
        repeated = (seen.since if seen else 0) + count
        self._make_room(now)
        self._seen[peer, reason] = _Seen(now)
        return _line(peer, reason, detail, repeated)

    def _make_room(self, now: float) -> None:
        if len(self._seen) < MOST_KEYS:
            return
        self._seen = {key: seen for key, seen in self._seen.items() if now - seen.logged < self.window}
        while len(self._seen) >= MOST_KEYS:
            self._seen.pop(next(iter(self._seen)))


def _line(peer: str, reason: str, detail: str, count: int) -> str:
    words = [f"event=refused peer={_quoted(peer)} reason={_quoted(reason)}"]
    if detail:
        words.append(f"detail={_quoted(detail)}")
    if count > 1:
        words.append(f"count={count}")
    return " ".join(words)


def _quoted(text: str) -> str:
    return json.dumps(text[:300])  # one line, whatever a peer put into it
