"""Durations as Compose writes them: `1m30s`, `1.5s`, `200ms`. https://github.com/compose-spec/compose-spec/blob/main/11-extension.md"""

import re

_PART = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h|d)")
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PATTERN = r"^((\d+(\.\d+)?)(us|µs|ms|s|m|h|d))+$|^0$"


def seconds(text: str) -> float:
    """The seconds in `text`. Raises ValueError."""
    if not re.match(PATTERN, text):
        raise ValueError(f"not a duration: {text!r}")
    return sum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text))
