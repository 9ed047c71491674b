"""Claims in the place of headers."""

import pytest

from weft.resource.istio.claim import claim_keys


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("@request.auth.claims.group", ("group",)),
        ("@request.auth.claims.a.b", ("a", "b")),
        ("@request.auth.claims[a.b][c]", ("a.b", "c")),
        ("@request.auth.claims[a].b", ("a", "b")),
        ("@request.auth.claims", ()),
        ("@request.auth.claims[]", ()),
        ("@request.auth.claims.a.", ()),
        ("x-group", ()),
    ],
)
def test_the_way_through_a_token(name: str, keys: tuple[str, ...]) -> None:
    """Dots lead on, but for those within brackets."""
    assert claim_keys(name) == keys
