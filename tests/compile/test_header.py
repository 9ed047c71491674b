"""Headers, literally."""

import pytest

from weft.compile.header import literal, without_host
from weft.model.route import HeaderEdit


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("plain", "plain"),
        ("100%", "100%%"),
        ("50% off %x", "50%% off %%x"),
        ("%REQ(:path)%", "%REQ(:path)%"),
        ("%DOWNSTREAM_REMOTE_ADDRESS% 5%", "%DOWNSTREAM_REMOTE_ADDRESS% 5%%"),
        ("%START_TIME(%s)%", "%%START_TIME(%%s)%%"),
        ("%%", "%%"),
    ],
)
def test_a_percent_sign_is_literal_unless_it_begins_a_command(written: str, sent: str) -> None:
    """Envoy's commands are kept, every other percent sign is doubled."""
    assert literal(written) == sent


def test_the_host_is_not_a_header() -> None:
    """What an edit says of Host is taken out, since Envoy changes it by other means."""
    assert without_host(HeaderEdit(set=(("a", "b"), ("HOST", "x")))) == (HeaderEdit(set=(("a", "b"),)), "x")
    assert without_host(HeaderEdit(add=((":authority", "y"),))) == (HeaderEdit(), "y")
