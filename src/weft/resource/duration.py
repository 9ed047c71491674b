"""Durations as Istio's resources write them: `1.5s`, `100ms`, `1h30m`, in Go's form
(https://pkg.go.dev/time#ParseDuration), not negative."""

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_LONGEST = 9_223_372_036.0  # Envoy counts nanoseconds in 64 bits: about 292 years


def seconds(text: str) -> float:
    """The length of `text` in seconds. Raises ValueError, saying what is wrong, for anything else."""
    if text == "0":
        return 0.0
    total, at = 0.0, 0
    while part := _PART.match(text, at):
        total, at = total + float(part[1]) * _UNITS[part[2]], part.end()
    if not text or at != len(text):
        raise ValueError(f"{text[:40]!r} is not a duration")
    if total > _LONGEST:
        raise ValueError(f"{text[:40]} is longer than a duration may be")
    return total
