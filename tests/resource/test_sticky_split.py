"""The annotation that keeps users in their part of a split."""

import pytest

from weft.resource.sticky_split import StickySplit, sticky_split


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("header=x-user", StickySplit("header", "x-user")),
        (" cookie = session ", StickySplit("cookie", "session")),
        ("identity", StickySplit("identity")),
    ],
)
def test_it_names_what_a_user_is_known_by(text: str, said: StickySplit) -> None:
    """A header, a cookie, or the caller."""
    assert sticky_split(text) == said


@pytest.mark.parametrize("text", ["", "user", "header", "header=", "header=a b", "identity=x", "query=q"])
def test_everything_else_is_a_mistake(text: str) -> None:
    """It is answered with words."""
    assert isinstance(sticky_split(text), str)
