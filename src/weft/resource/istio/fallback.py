"""The annotation of a DestinationRule that says who answers for its host when nobody there can: `HOST[:PORT][/SUBSET]`, several
with commas, the first that has a healthy endpoint is taken.
"""

from typing import NamedTuple

ANNOTATION = "mesh.weft.dev/fallback"


class Fallback(NamedTuple):
    """One destination as it is written. `port` 0: the port that was asked for."""

    host: str
    port: int
    subset: str


def fallbacks(text: str) -> tuple[Fallback, ...]:
    """What the annotation says; ValueError in words when it says something else."""
    return tuple(_fallback(part.strip()) for part in text.split(","))


def _fallback(text: str) -> Fallback:
    place, slash, subset = text.partition("/")
    host, colon, port = place.partition(":")
    if not host or (slash and not subset):
        raise ValueError(f"{text[:80]!r} is not a destination")
    if colon and not (port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{port[:20]!r} is not a port")
    return Fallback(host, int(port or 0), subset)
