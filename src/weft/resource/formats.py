"""Strings that are more than strings: what `field.checked` names, and how each is checked."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import NamedTuple

from weft.resource import regex
from weft.resource.duration import seconds


class Problem(NamedTuple):
    """What is wrong with a value, and what to write instead."""

    problem: str
    hint: str = ""


_EXAMPLES = "write it as in 5s, 100ms or 1.5m"


def _duration(text: str) -> Problem | None:
    problem = _duration_or_zero(text)
    if problem is None and seconds(text) < 0.001:
        return Problem(f"{text} is too short: at least 1ms", _EXAMPLES)
    return problem


def _duration_or_zero(text: str) -> Problem | None:
    try:
        seconds(text)
    except ValueError as problem:
        number = text.strip().removeprefix("-").replace(".", "", 1)
        return Problem(str(problem), f"it lacks a unit: {text.strip()}s" if number.isdigit() and number == text else _EXAMPLES)
    return None


def _regex(text: str) -> Problem | None:
    problem = regex.problem(text)
    if not problem:
        return None
    hint = "Envoy's engine is RE2: https://github.com/google/re2/wiki/Syntax" if "RE2" in problem else ""
    return Problem(f"{text[:60]!r} is not a regular expression: {problem}", hint)


def _base64(text: str) -> Problem | None:
    try:
        b64decode(b"".join(text.encode("ascii").split()), validate=True)
    except ValueError:  # UnicodeEncodeError as well
        return Problem("this is not base64", "encode it with base64 -w0, or write text in stringData")
    return None


FORMATS: Mapping[str, Callable[[str], Problem | None]] = {
    "duration": _duration,
    "duration-or-zero": _duration_or_zero,
    "regex": _regex,
    "base64": _base64,
}
