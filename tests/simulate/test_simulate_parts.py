"""The parts of a simulation, where Envoy's rules have corners. The stories of tests/cases hold the whole to a real Envoy."""

import pytest
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import HeaderMatcher, RedirectAction, Route, RouteMatch
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from weft.simulate import pattern
from weft.simulate.call import HttpCall, http_call
from weft.simulate.filter_chain import filter_chain
from weft.simulate.held import Unreadable
from weft.simulate.outcome import Retries
from weft.simulate.path import normalized, parameters
from weft.simulate.redirect import location
from weft.simulate.route_match import header_matches, matches
from weft.simulate.virtual_host import virtual_host, without_port


@pytest.mark.parametrize(
    ("path", "seen"),
    [("/a/./b", "/a/b"), ("/a/../b", "/b"), ("/../a", "/a"), ("/a/..", "/"), ("/a/%2E%2e/b", "/b"), ("/a//b", "/a//b"),
     ("/a\\b", "/a/b"), ("/a?x=../b", "/a?x=../b"), ("/...", "/..."), ("/", "/")],
)  # fmt: skip
def test_dot_segments_are_resolved(path: str, seen: str) -> None:
    """A path is normalized as RFC 3986 says, its query untouched."""
    assert normalized(path) == seen


@pytest.mark.parametrize(
    ("host", "name"),
    [("a.b.c", "exact"), ("A.B.C", "exact"), ("x.b.c", "suffix"), ("x.y.b.c", "suffix"), ("y.c", "short suffix"),
     ("b.c", "short suffix"),
     ("x.com", "prefix"), ("other", "all"), (".b.c", "short suffix")],
)  # fmt: skip
def test_the_most_specific_domain_wins(host: str, name: str) -> None:
    """Exact, then the longest suffix, then a prefix, then everything; a star never stands for nothing."""
    domains = {"all": ["*"], "prefix": ["x.*"], "short suffix": ["*.c"], "suffix": ["*.b.c"], "exact": ["a.b.c"]}
    config = RouteConfiguration(virtual_hosts=[{"name": one, "domains": found} for one, found in domains.items()])
    found = virtual_host(config, host)
    assert found and found.name == name


def test_a_port_is_part_of_the_host_unless_it_is_ignored() -> None:
    """A domain without a port does not fit a Host with one, unless the configuration ignores ports."""
    config = RouteConfiguration(virtual_hosts=[{"name": "a", "domains": ["a.b"]}])
    assert virtual_host(config, "a.b:80") is None
    config.ignore_port_in_host_matching = True
    assert virtual_host(config, "a.b:80")
    assert [without_port(one) for one in ("[::1]:80", "[::1]", "a:1")] == ["[::1]", "[::1]", "a"]


def test_a_pattern_is_matched_whole_and_replaced_everywhere() -> None:
    r"""RE2's spellings are understood; `\0` is the whole match."""
    assert pattern.whole(r"(?i)/A[[:digit:]]\x{42}\z", "/a7b")
    assert not pattern.whole("/a", "/ab")
    assert pattern.replaced("(a)(b)?", "ab-a", r"<\1\2\0\\>") == r"<abab\>-<aa\>"
    with pytest.raises(Unreadable):
        pattern.compiled(r"\p{Greek}")


def test_a_header_that_is_absent_fits_no_comparison() -> None:
    """Inverted or not; taken for empty it is compared; presence itself can be inverted."""
    there, none = HttpCall("a", headers=(("x", "1"), ("x", "2"))), HttpCall("a")
    inverted = HeaderMatcher(name="x", string_match={"exact": "1"}, invert_match=True)
    assert [header_matches(inverted, one) for one in (there, none)] == [False, False]
    inverted.treat_missing_header_as_empty = True
    assert header_matches(inverted, none)
    assert header_matches(HeaderMatcher(name="x", string_match={"exact": "2"}), there)
    assert header_matches(HeaderMatcher(name="x", present_match=True, invert_match=True), none)
    assert header_matches(HeaderMatcher(name="x", range_match={"start": 1, "end": 2}), there)


def test_what_is_not_understood_is_said() -> None:
    """A matcher that is not known is no match and no miss, but Unreadable."""
    with pytest.raises(Unreadable):
        matches(RouteMatch(prefix="/", grpc={}), HttpCall("a"))
    with pytest.raises(Unreadable):
        matches(RouteMatch(path_match_policy={"name": "x"}), HttpCall("a"))


def test_a_segment_prefix_ends_at_a_slash() -> None:
    """`path_separated_prefix: /a` takes /a and /a/b, not /ab."""
    match = RouteMatch(path_separated_prefix="/a")
    assert [matches(match, HttpCall("x", path)) for path in ("/a", "/a/b", "/a?b", "/ab")] == [True, True, True, False]


def test_a_query_is_read_as_it_is_written() -> None:
    """The first of several counts; nothing is decoded."""
    assert parameters("/?a=1&a=2&b&c=%20") == {"a": "1", "b": "", "c": "%20"}


def test_a_redirect_can_strip_and_bring_a_query() -> None:
    """A query in the new path takes the place of the request's; strip_query drops it."""
    call = http_call("GET", "http://a:80/x?y=z")
    assert location(Route(match={"prefix": "/"}, redirect={"path_redirect": "/n?q"}), call) == "http://a:80/n?q"
    assert location(Route(match={"prefix": "/"}, redirect={"strip_query": True}), call) == "http://a:80/x"
    regex = RedirectAction(regex_rewrite={"pattern": {"regex": "^/(.)"}, "substitution": r"/new/\1"}, https_redirect=True)
    assert location(Route(match={"prefix": "/"}, redirect=regex), call) == "https://a/new/x?y=z"


def test_the_chain_of_the_most_specific_name_takes_a_connection() -> None:
    """Exact before wildcard before a chain without names; plain bytes take no TLS chain."""
    matches_of = {"exact": ["a.b"], "wild": ["*.b"], "rest": []}
    chains = [
        {"name": name, "filter_chain_match": {"transport_protocol": "tls", "server_names": names}}
        for name, names in matches_of.items()
    ]
    listener = Listener(filter_chains=[*chains, {"name": "plain"}])
    found = [filter_chain(listener, sni, "127.0.0.1") for sni in ("a.b", "c.b", "c.d", "")]
    assert [one.name for one in found if one] == ["exact", "wild", "rest", "plain"]
    assert filter_chain(Listener(filter_chains=chains), "", "127.0.0.1") is None


def test_retries_follow_envoys_names() -> None:
    """5xx is every server error, gateway-error three of them, and codes are themselves."""
    statuses = (404, 409, 500, 502)
    said = {
        on: [Retries(1, (on,), (404,)).repeats(one) for one in statuses]
        for on in ("5xx", "gateway-error", "retriable-4xx", "reset")
    }
    assert said == {
        "5xx": [False, False, True, True],
        "gateway-error": [False, False, False, True],
        "retriable-4xx": [False, True, False, False],
        "reset": [False, False, False, False],
    }
    assert Retries(1, ("retriable-status-codes",), (404,)).repeats(404)
