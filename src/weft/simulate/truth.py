"""Truth with a third value, None: not known (Kleene). https://en.wikipedia.org/wiki/Three-valued_logic"""

from collections.abc import Iterable

Truth = bool | None


def every(of: Iterable[Truth]) -> Truth:
    """All of them: False as soon as one is False."""
    unknown = False
    for one in of:
        if one is False:
            return False
        unknown = unknown or one is None
    return None if unknown else True


def some(of: Iterable[Truth]) -> Truth:
    """Any of them: True as soon as one is True."""
    unknown = False
    for one in of:
        if one is True:
            return True
        unknown = unknown or one is None
    return None if unknown else False


def negated(of: Truth) -> Truth:
    """The opposite; of what is not known nobody knows."""
    return None if of is None else not of
