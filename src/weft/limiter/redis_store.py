"""Counts in a Redis, so that limiters on several machines count together.
https://redis.io/docs/latest/develop/interact/programmability/eval-intro/

One script does it all, atomically, and by Redis' own clock. All buckets of one question are named in one call: Redis Cluster,
which may keep them on different servers, cannot do that. A Redis that fails again and again is left alone for a moment.
"""

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import Any

from weft.limiter.bucket import Decision, decision
from weft.limiter.store import Counted, Unavailable

_ANSWER = 0.08  # seconds; Envoy waits for 0.1 in all
_LEFT_ALONE = 0.2  # seconds
_IN_A_ROW = 3  # failures: one late answer is none
_PREFIX = b"weft:limit:"
_SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local hits, passes, fulls, wants = tonumber(ARGV[1]), true, {}, {}
for i, key in ipairs(KEYS) do
  local interval, room, shadow = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), ARGV[3 * i + 1] == '1'
  fulls[i] = tonumber(redis.call('GET', key) or '0')
  wants[i] = math.max(fulls[i], now) + hits * interval
  if wants[i] - now - room > 0.000001 then
    wants[i] = false
    if not shadow then passes = false end
  end
end
for i, key in ipairs(KEYS) do
  if wants[i] and (passes or ARGV[3 * i + 1] == '1') then
    redis.call('SET', key, string.format('%.6f', wants[i]), 'PX', math.max(1, math.ceil((wants[i] - now) * 1000)))
  end
  fulls[i] = string.format('%.6f', fulls[i])
end
fulls[#fulls + 1] = string.format('%.6f', now)
return fulls
"""


class RedisStore:
    """The buckets of a Redis at `url` (redis://, rediss:// or unix://)."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        redis: Any = import_module("redis.asyncio")  # only who counts in a Redis needs its client
        self._failed: type[Exception] = import_module("redis.exceptions").RedisError
        self._redis = redis.Redis.from_url(url, socket_timeout=_ANSWER, socket_connect_timeout=_ANSWER)
        self._script = self._redis.register_script(_SCRIPT)
        self._clock = clock
        self._again_at = 0.0
        self._failures = 0

    async def take(self, buckets: tuple[Counted, ...], hits: int) -> tuple[tuple[Decision, ...], float]:
        """As `Store.take`."""
        if self._clock() < self._again_at:
            raise Unavailable("it did not answer a moment ago")
        said = [str(hits)]
        for one in buckets:
            said += [repr(one.quota.interval), repr(one.quota.burst * one.quota.interval), str(int(one.shadow))]
        try:
            async with asyncio.timeout(_ANSWER):
                *fulls, now = map(float, await self._script([_PREFIX + one.key for one in buckets], said))
        except (self._failed, OSError, TimeoutError) as problem:
            self._failures += 1
            if self._failures >= _IN_A_ROW:
                self._again_at = self._clock() + _LEFT_ALONE
            raise Unavailable(str(problem) or type(problem).__name__) from None
        self._failures = 0
        return tuple(decision(full, now, one.quota, hits) for one, full in zip(buckets, fulls, strict=True)), now

    async def close(self) -> None:
        """Ends its connections."""
        await self._redis.aclose()
