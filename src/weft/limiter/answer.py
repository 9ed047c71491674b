"""From a question to its buckets, and from what they say to the answer. Pure.

The fields are those of draft-ietf-httpapi-ratelimit-headers-10; Retry-After is of RFC 9110.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import RateLimitDescriptor
from envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse

from weft.limiter.bucket import Decision
from weft.limiter.store import Counted
from weft.quota import NAME_KEY, QUOTA_KEY, Quota, parse

_UNITS = {1: "SECOND", 60: "MINUTE", 3600: "HOUR", 86400: "DAY"}
_OVER, _OK = RateLimitResponse.OVER_LIMIT, RateLimitResponse.OK


@dataclass(frozen=True, slots=True)
class Asked:
    """A descriptor: whose quota it is, and its bucket."""

    name: str
    bucket: Counted


def asked(request: RateLimitRequest) -> tuple[Asked, ...]:
    """The buckets of a question, each once. Raises ValueError for what no route configuration of ours asks."""
    return tuple({one.bucket.key: one for one in map(_asked, request.descriptors)}.values())


def _asked(of: RateLimitDescriptor) -> Asked:
    said = {entry.key: entry.value for entry in of.entries}
    quota, shadow = parse(said.get(QUOTA_KEY, ""))
    text = "\0".join(f"{entry.key}\0{entry.value}" for entry in of.entries)
    return Asked(said.get(NAME_KEY, ""), Counted(blake2b(text.encode(), digest_size=16).digest(), quota, shadow))


def refused(of: Sequence[tuple[Asked, Decision]]) -> tuple[Asked, ...]:
    """Those that do not let it pass."""
    return tuple(one for one, made in of if not made.passes and not one.bucket.shadow)


def answer(of: Sequence[tuple[Asked, Decision]], now: float) -> RateLimitResponse:
    """The answer at `now`. What only watches is not told."""
    over = refused(of)
    open_ones = [(one, made) for one, made in of if not one.bucket.shadow]
    response = RateLimitResponse(
        overall_code=_OVER if over else _OK,
        statuses=[_status(one, made) for one, made in of],
    )
    headers = response.response_headers_to_add
    if open_ones:
        left = [f'"{one.name}";r={made.remaining};t={_seconds(made.full - now)}' for one, made in open_ones]
        headers.add(key="ratelimit", value=", ".join(left))
        headers.add(key="ratelimit-policy", value=", ".join(f'"{one.name}";{one.bucket.quota.policy}' for one, _ in open_ones))
    if over:
        wait = max(made.wait for one, made in open_ones if one in over)
        names = ", ".join(one.name for one in over)
        headers.add(key="retry-after", value=str(max(1, _seconds(wait))))
        headers.add(key="x-weft-limited-by", value=names)
        response.raw_body = f"weft: too many requests: RateLimit {names}\n".encode()
    return response


def _status(one: Asked, made: Decision) -> RateLimitResponse.DescriptorStatus:
    passes = made.passes or one.bucket.shadow
    return RateLimitResponse.DescriptorStatus(
        code=_OK if passes else _OVER,
        current_limit=_limit(one.name, one.bucket.quota),
        limit_remaining=made.remaining,
    )


def _limit(name: str, of: Quota) -> RateLimitResponse.RateLimit:
    return RateLimitResponse.RateLimit(name=name, requests_per_unit=of.requests, unit=_UNITS.get(of.seconds, "UNKNOWN"))


def _seconds(of: float) -> int:
    return max(0, math.ceil(of - 1e-6))
