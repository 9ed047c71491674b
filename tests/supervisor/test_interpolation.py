"""Variables, in two steps."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.supervisor.interpolation import BadVariable, dotenv, interpolated, settled

SET = {"NAME": "joe", "EMPTY": "", "MONEY": "$5"}


def _filled(text: str) -> str:
    return settled(interpolated(text, SET), {})


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$NAME", "joe"),
        ("${NAME}s", "joes"),
        ("$NAMES", ""),
        ("${NONE:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${NONE-${NAME}}", "joe"),
        ("${NAME:+yes}", "yes"),
        ("${EMPTY:+yes}", ""),
        ("${EMPTY+yes}", "yes"),
        ("${NAME:?why}", "joe"),
        ("$$NAME", "$NAME"),
        ("$$$NAME", "$joe"),
        ("$MONEY", "$5"),
        ("${NONE:-a}}", "a}"),
        ("plain", "plain"),
    ],
)
def test_variables_are_filled_in_as_compose_does(text: str, filled: str) -> None:
    """Defaults, alternatives, nesting and the escaped sign."""
    assert _filled(text) == filled


@pytest.mark.parametrize("text", ["${NONE:?it is needed}", "${EMPTY:?}", "${NONE?}", "${NAME", "$", "a$ b", "${1x}", "${NAME!x}"])
def test_what_cannot_be_filled_in_is_refused(text: str) -> None:
    """A required variable that is not set, and whatever is no variable at all."""
    with pytest.raises(BadVariable):
        _filled(text)


def test_late_variables_stand_until_the_instance_starts() -> None:
    """`$PORT` is left by the first step, with its default, and filled in by the second."""
    once = interpolated("--port ${PORT:-80} --user $NAME $$x $PORT", SET, late=lambda name: name == "PORT")
    assert once == "--port ${PORT:-80} --user joe $$x $PORT"
    assert settled(once, {"PORT": "9"}) == "--port 9 --user joe $x 9"


def test_missing_variables_are_told() -> None:
    """Only a name with neither value nor default is missing."""
    told: list[str] = []
    interpolated("$A ${B:-x} ${C} $NAME", SET, unset=told.append)
    assert told == ["A", "C"]


@given(st.text())
def test_a_value_is_never_read_as_a_variable(value: str) -> None:
    """Whatever a variable holds comes out of both steps unchanged."""
    assert settled(interpolated("${X}", {"X": value}), {"PORT": "1"}) == value


@given(st.text())
def test_any_text_is_filled_in_or_refused(text: str) -> None:
    """Nothing else happens, whatever the text."""
    with suppress(BadVariable):
        settled(interpolated(text, SET), {})


def test_an_env_file_is_read() -> None:
    """Comments, export, both quotes, interpolation from the lines before, and names that are passed on."""
    text = '# c\nexport A=1\nB=\'$A\'\nC="x ${A} \\"q\\"\\n"\nD=two words # c\nNAME\nNONE\nE=$PORT\n\n'
    found = dotenv(text, SET, lambda name: name == "PORT")
    assert {name: settled(value, {"PORT": "7"}) for name, value in found.items()} == {
        "A": "1",
        "B": "$A",
        "C": 'x 1 "q"\n',
        "D": "two words",
        "NAME": "joe",
        "E": "7",
    }
