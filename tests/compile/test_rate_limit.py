"""What a request is counted as."""

import re

import pytest

from weft.compile.filters.local_ratelimit import SLOTS, room
from weft.compile.filters.order import GATEWAY, INBOUND, http_filters, widened
from weft.compile.rate_limit import path_pattern


@pytest.mark.parametrize(
    ("said", "fits", "misses"),
    [
        ("/a", ["/a", "/a?x=1"], ["/a/", "/ab", "/b?/a"]),
        ("/a*", ["/a", "/ab/c?d", "/a?x"], ["/b", "/b?/a"]),
        ("*.png", ["/x.png", "/x/y.png?z"], ["/x.pngs", "/x?.png"]),
        ("/v{*}/x", ["/v1/x", "/v1/x?y"], ["/v/x", "/v1/2/x", "/v1/xy"]),
        ("/v/{**}", ["/v/", "/v/1/2?y"], ["/v", "/w/1?/v/"]),
        ("*", ["/", "/x?y"], []),
    ],
)
def test_a_path_is_compared_without_its_query(said: str, fits: list[str], misses: list[str]) -> None:
    """Paths are exact, prefixes, suffixes and templates, whatever is asked behind the `?`."""
    pattern = re.compile(path_pattern(said))
    assert all(pattern.fullmatch(one) for one in fits)
    assert not any(pattern.fullmatch(one) for one in misses)


def test_a_chain_has_room_for_all_local_limits() -> None:
    """A chain has four slots, and multiples of four for more limits; the names stay unique, and the router last."""
    for limits in (0, 1, 4, 5, 9):
        for chain in (INBOUND, GATEWAY):
            names = [one.name for one in http_filters(widened(chain, limits))]
            slots = [name for name in names if name.startswith("envoy.filters.http.local_ratelimit.")]
            assert len(slots) == room(limits) >= max(SLOTS, limits)
            assert len(names) == len(set(names)) and names[-1] == "envoy.filters.http.router"
