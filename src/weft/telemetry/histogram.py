"""Quantiles of a histogram with cumulative buckets, as Envoy and Prometheus keep them."""

from collections.abc import Sequence


def quantile(q: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """The `q`-quantile (0-1), interpolated linearly within its bucket; None when nothing was counted.

    `bounds` are ascending upper bounds, `counts` the cumulative counts up to each. What lies above the last bound is
    answered with the last bound, as Prometheus does.
    """
    total = counts[-1] if counts else 0.0
    if total <= 0:
        return None
    wanted = q * total
    below, lower = 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=True):
        if count >= wanted:
            share = (wanted - below) / (count - below) if count > below else 1.0
            return lower + (bound - lower) * share
        below, lower = count, bound
    return bounds[-1]
