"""The JWT-SVIDs that workloads of this node asked for: used again for half their life, so that a caller may ask for each of its
calls.

While the control plane is away a token is given out for as long as it holds for some seconds more.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from weft.agent.refusal import Unreachable

MOST = 1000
_AT_LEAST = 10.0  # seconds that a token must hold when it is given out


class Tokens:
    """By identity and audiences. `sign` asks the control plane."""

    def __init__(self, sign: Callable[[str, list[str]], Awaitable[Any]], now: Callable[[], float] = time.time) -> None:
        self._sign = sign
        self._now = now
        self._kept: dict[tuple[str, tuple[str, ...]], tuple[str, float, float]] = {}  # token, when to renew, when it ends

    async def token(self, spiffe_id: str, audiences: tuple[str, ...]) -> str:
        """A token that holds now. Raises Refused or Unreachable."""
        key, now = (spiffe_id, audiences), self._now()
        kept = self._kept.get(key)
        if kept and now < kept[1]:
            return kept[0]
        try:
            answer = await self._sign(spiffe_id, list(audiences))
        except Unreachable:
            if kept and now + _AT_LEAST < kept[2]:
                return kept[0]
            raise
        self._make_room(now)
        self._kept[key] = (answer.token, now + (answer.not_after - now) / 2, float(answer.not_after))
        return str(answer.token)

    def _make_room(self, now: float) -> None:
        if len(self._kept) >= MOST:
            self._kept = {key: kept for key, kept in self._kept.items() if now < kept[2]}
        while len(self._kept) >= MOST:
            self._kept.pop(next(iter(self._kept)))
