"""What keeps the counts."""

from dataclasses import dataclass
from typing import Protocol

from weft.limiter.bucket import Decision
from weft.quota import Quota


@dataclass(frozen=True, slots=True)
class Counted:
    """A bucket that is asked: its name among all buckets, and its quota. `shadow`: it refuses nobody."""

    key: bytes
    quota: Quota
    shadow: bool = False


class Unavailable(Exception):
    """The store does not answer. The text says why."""


class Store(Protocol):
    """Counts, for all limiters that share it."""

    async def take(self, buckets: tuple[Counted, ...], hits: int) -> tuple[tuple[Decision, ...], float]:
        """What each says of `hits` requests, and the time it is (seconds). When one refuses, none is charged but those that
        refuse nobody. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Ends it."""
        ...
