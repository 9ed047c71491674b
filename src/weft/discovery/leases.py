"""For how long what a node registered counts. Pure: time is an argument (seconds that never go back).

A heartbeat renews the lease. The end of a node's stream shortens it, since the agent may be back at once, or dead. When
this process itself stood still, all leases begin anew: nobody could renew them meanwhile.
"""

from collections.abc import Iterable

LEASE = 10.0
BROKEN = 3.0
STOOD_STILL = 2.0


class Leases:
    """The leases of nodes."""

    def __init__(self, seconds: float = LEASE, broken: float = BROKEN) -> None:
        """`seconds` without a heartbeat end a lease; `broken` after the end of the stream."""
        self._seconds = seconds
        self._broken = broken
        self._ends: dict[str, float] = {}
        self._looked: float | None = None

    def renew(self, node: str, now: float) -> None:
        """A sign of life."""
        self._ends[node] = now + self._seconds

    def shorten(self, node: str, now: float) -> None:
        """The node's stream ended."""
        if node in self._ends:
            self._ends[node] = min(self._ends[node], now + self._broken)

    def drop(self, nodes: Iterable[str]) -> None:
        """They have nothing more to lose."""
        for node in nodes:
            self._ends.pop(node, None)

    def expired(self, now: float) -> tuple[str, ...]:
        """The nodes whose leases ended. Ask regularly: a gap between two calls means that this process stood still."""
        looked, self._looked = self._looked, now
        if looked is not None and now - looked > STOOD_STILL:
            for node in self._ends:
                self.renew(node, now)
        return tuple(sorted(node for node, end in self._ends.items() if end <= now))
