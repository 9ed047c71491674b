"""Questions of Envoys, and the answers."""

import pytest
from envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse

from weft.limiter.answer import answer, asked, refused
from weft.limiter.bucket import Decision


def request(*descriptors: dict[str, str]) -> RateLimitRequest:
    """A question."""
    said = [{"entries": [{"key": key, "value": value} for key, value in one.items()]} for one in descriptors]
    return RateLimitRequest(domain="weft", descriptors=said)


EACH = {"name": "shop/callers/each", "quota": "60/60/10", "source.principal": "spiffe://a/ns/b/sa/c"}
SEEN = {"name": "shop/seen/0", "quota": "1/1/1/shadow"}


def test_a_bucket_is_one_value_of_one_rule() -> None:
    """Another caller, another rule or another quota is another bucket; the same descriptor twice is one."""
    same = [asked(request(EACH))[0].bucket.key for _ in range(2)]
    others = [asked(request({**EACH, key: value}))[0].bucket.key for key, value in (
        ("name", "shop/callers/other"), ("quota", "61/60/10"), ("source.principal", "-"))]  # fmt: skip
    assert same[0] == same[1] and len({same[0], *others}) == 4
    assert len(asked(request(EACH, EACH))) == 1


def test_what_no_route_asks_is_refused() -> None:
    """A question without a quota is nobody's of ours."""
    with pytest.raises(ValueError, match="quota"):
        asked(request({"generic_key": "x"}))


def test_an_answer_says_what_is_left() -> None:
    """RateLimit and RateLimit-Policy name the rule, its quota, what is left, and when it is full again; a shadow is not told."""
    each, seen = asked(request(EACH, SEEN))
    made = answer([(each, Decision(True, 107.5, 2)), (seen, Decision(False, 101.0, 0, 1.0))], 100.0)
    assert made.overall_code == RateLimitResponse.OK
    assert {one.key: one.value for one in made.response_headers_to_add} == {
        "ratelimit": '"shop/callers/each";r=2;t=8',
        "ratelimit-policy": '"shop/callers/each";q=60;w=60',
    }


def test_a_refusal_names_its_rule_and_says_when() -> None:
    """The longest wait of all that refuse, in whole seconds."""
    each, other = asked(request(EACH, {"name": "shop/all/0", "quota": "1/60/1"}))
    found = [(each, Decision(False, 110.0, 0, 0.4)), (other, Decision(False, 160.0, 0, 59.2))]
    made = answer(found, 100.0)
    headers = {one.key: one.value for one in made.response_headers_to_add}
    assert made.overall_code == RateLimitResponse.OVER_LIMIT and len(refused(found)) == 2
    assert headers["retry-after"] == "60" and headers["x-weft-limited-by"] == "shop/callers/each, shop/all/0"
    assert made.raw_body == b"weft: too many requests: RateLimit shop/callers/each, shop/all/0\n"
