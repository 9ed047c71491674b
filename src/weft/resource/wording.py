"""How findings speak of values and names, and which name a slip of the pen may have meant."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any


def shown(value: Any) -> str:
    """A value, as a message shows it: short, and in the words of YAML."""
    match value:
        case None:
            return "nothing"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case str():
            return repr(value if len(value) <= 60 else value[:57] + "...")
        case int() if abs(value) >= 10**30:
            return "a number beyond all bounds"
        case _:
            return plain(value)


def plain(value: Any) -> str:
    """A scalar as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)[:60]


def unquoted(value: Any) -> str:
    """The hint for a number in quotes; empty for everything else."""
    number = isinstance(value, str) and value.strip().removeprefix("-").replace(".", "", 1).isdigit()
    return f"remove the quotes: {value.strip()}" if number else ""


def listed(names: Iterable[str]) -> str:
    """Names in a row, not too many."""
    shown = list(names)
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")


def _fold(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def same_name(name: str, known: Iterable[str]) -> str:
    """The one of `known` that differs from `name` only in case, dashes and underscores; or empty."""
    return next((other for other in known if _fold(other) == _fold(name)), "")


def close_name(name: str, known: Iterable[str]) -> str:
    """The one of `known` that `name` is likely a slip of; or empty."""
    folded = {_fold(other): other for other in known}
    found = get_close_matches(_fold(name[:64]), list(folded), n=1, cutoff=0.65)
    return folded[found[0]] if found else ""
