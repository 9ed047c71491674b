"""Whether and when an application that ended is started again. Pure."""

from weft.supervisor.application import Restart

SETTLED = 10.0
"""Who lived this many seconds did not fail at its start: the count of failures begins anew."""

GIVEN_UP = 3
"""After this many failures in a row, before it was ever ready, whoever waits for it is told that it failed."""


def again(policy: Restart, limit: int, code: int, failures: int) -> bool:
    """Whether one that ended with `code` is started again. `failures` counts this one when it is one; `limit` 0: no limit."""
    match policy:
        case Restart.NO:
            return False
        case Restart.ALWAYS | Restart.UNLESS_STOPPED:
            return True
        case Restart.ON_FAILURE:
            return code != 0 and (limit == 0 or failures <= limit)
        case Restart.ON_CRASH:
            return code != 0


def delay(failures: int) -> float:
    """The seconds to wait after so many failures in a row: 0.25, 0.5, 1 ... 30."""
    return float(min(30.0, 0.25 * 2 ** max(0, min(failures, 10) - 1)))


def cause(code: int) -> str:
    """How it ended, in words."""
    from signal import Signals

    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was killed by {Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
