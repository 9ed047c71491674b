"""Texts that are chosen by lot: a CEL expression that compares a number made of the other end's port with thresholds."""

import re

from weft.simulate.held import Unreadable

_CHOICE = re.compile(r"\(source\.port / 2 \* \d+\) % (\d+) < (\d+) \? '([^']*)' : ")
_LAST = re.compile(r"'([^']*)'\)%")


def lots(text: str) -> list[tuple[float, str]]:
    """The texts that `text` may stand for, each with its percentage; one that is no expression stands for itself."""
    if not text.startswith("%CEL("):
        return [(100.0, text)]
    found, at, sofar = [], len("%CEL("), 0.0
    while choice := _CHOICE.match(text, at):
        upto = 100 * int(choice[2]) / int(choice[1])
        found.append((upto - sofar, choice[3]))
        at, sofar = choice.end(), upto
    last = _LAST.fullmatch(text, at)
    if last is None:
        raise Unreadable(f"the expression {text}")
    return [*found, (100 - sofar, last[1])]
