"""Labels, and the selector that asks for all of some."""

from collections.abc import Mapping

Labels = tuple[tuple[str, str], ...]
"""Pairs sorted by key: hashable, and equal when the same labels were written in another order."""


def labels(pairs: Mapping[str, str]) -> Labels:
    """The labels of a mapping."""
    return tuple(sorted(pairs.items()))


def selects(selector: Labels, of: Labels) -> bool:
    """Whether `of` has every pair of `selector`. An empty selector selects everything."""
    return set(selector) <= set(of)
