"""What RE2 takes and what it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.resource.regex import problem

ACCEPTED = [
    "", "a*", "(?i)abc", "/v[0-9]+/.*", "[]a]", "[^]a-z]", r"\Qa(b\E", r"\pL\p{Greek}", "[[:alpha:]]+", "a+?", "x{", "a{,5}",
    "[a-]", r"[\d-x]", "(?:a|b)*", "|", "(?i:a)", "(?m-s:a)", r"[\]]", "()*", "^*", "(?P<n>a)(?<m>b)", r"\x41\x{e9}",
    "a{2,1000}",    "^/api/(v1|v2)/users/([^/]+)/?$", r"\12", "a?(?i)?",
]  # fmt: skip
REFUSED = {
    "(?=x)a": "look-ahead", "a(?!b)": "look-ahead", "(?<=a)b": "look-behind", "(?<!a)b": "look-behind", r"(a)\1": "back-ref",
    r"\k<n>": "back-ref", "(?>a)": "atomic", "(?#c)": "comments", "(a": "not closed", "a)": "not opened", "[a": "not closed",
    "a**": "repeats", "a++": "repeats", "*a": "nothing before", "a|*": "nothing before", "a{2,1}": "repetition",
    "a{1001}": "1000", "(a{100}){100}": "1000", "(?P<n>x)(?P<n>y)": "named n", "[z-a]": "backwards", "[[:foo:]]": "know",
    r"\x{1F600}": "know",
    "\\": "backslash", r"\Z": "know", "(?": "know", r"[\b]": "brackets", "a" * 1025: "1024",
    "([aeiou]{10}(abcdefghijklmnopqrstuvwxyz|abcdefghijklmnopqrstuvwxyz|abcdefghijklmnopqrstuvwxyz)){99}": "too large",
}  # fmt: skip


@pytest.mark.parametrize("pattern", ACCEPTED)
def test_re2s_syntax_is_accepted(pattern: str) -> None:
    """Also where Python's differs."""
    assert problem(pattern) == ""


@pytest.mark.parametrize("pattern", REFUSED, ids=lambda pattern: pattern[:20])
def test_what_re2_has_not_is_named(pattern: str) -> None:
    """Look-around, back-references and slips of the pen are each called by their name."""
    assert REFUSED[pattern] in problem(pattern)


@given(st.text(alphabet="ab*+?{}()[]|\\^$-,:<>=!P0129QEdpL.", max_size=30))
def test_any_pattern_gets_an_answer(pattern: str) -> None:
    """The scanner ends and never raises."""
    assert isinstance(problem(pattern), str)
