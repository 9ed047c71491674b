"""One bucket: the generic cell rate algorithm, which remembers a single time.

The time kept is when the bucket will be full again. Each request moves it by the quota's interval, and may not move it further
ahead than `burst` intervals. So there are no windows, at whose borders twice as much would pass.
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

import math
from dataclasses import dataclass

from weft.quota import Quota

_SLACK = 1e-6  # seconds: sums of floats are no more exact


@dataclass(frozen=True, slots=True)
class Decision:
    """`full`: when the bucket will be full again, whether it passed or not. `remaining` is how many more may pass at once, `wait`
    the seconds until this one might, 0 when it did."""

    passes: bool
    full: float
    remaining: int
    wait: float = 0.0


def decision(full: float, now: float, quota: Quota, hits: int = 1) -> Decision:
    """What becomes of `hits` requests at `now` (seconds), which count as one. `full` 0: a bucket that nobody touched."""
    room, began = quota.burst * quota.interval, max(full, now)
    wanted = began + hits * quota.interval
    over = wanted - now - room
    if over > _SLACK:
        return Decision(False, began, _left(began, now, quota, room), over)
    return Decision(True, wanted, _left(wanted, now, quota, room))


def _left(full: float, now: float, quota: Quota, room: float) -> int:
    return max(0, math.floor((room - (full - now) + _SLACK) / quota.interval))
