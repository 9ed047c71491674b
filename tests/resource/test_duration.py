"""Durations in Go's form."""

import pytest

from weft.resource.duration import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5s", 5),
        ("100ms", 0.1),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("0s", 0),
        ("0", 0),
        (".5s", 0.5),
        ("1m0.5s", 60.5),
        ("7us", 7e-6),
        ("2562047h", 2562047 * 3600),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, expected: float) -> None:
    """Units may be fractions and may follow each other."""
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-1s", "1d", "5S", "1s ", "1h-30m", "١s", "9" * 400 + "h", "1e3s", "2562048h"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit, a sign, a day, more nanoseconds than Envoy can count: each raises ValueError."""
    with pytest.raises(ValueError, match="duration"):
        seconds(text)
