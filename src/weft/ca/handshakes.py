"""How many connections began a TLS handshake and never made a call: wrong certificates, and peers that stall.

gRPC tells a Python server when a handshake begins, but neither who it is with nor that it failed. So each connection's
first call takes back one beginning (the latest: an honest peer is quick), and what is left when its time is over never
called. Pure: time is an argument.
"""

from collections import OrderedDict, deque

MOST_PEERS = 10_000


class Handshakes:
    """Those of one server."""

    def __init__(self, grace: float) -> None:
        """`grace`: seconds after its beginning within which an honest connection makes its first call."""
        self._grace = grace
        self._begun: deque[float] = deque()  # gRPC's own threads append: deque's methods are atomic
        self._called: OrderedDict[str, None] = OrderedDict()

    def begin(self, now: float) -> None:
        """A handshake began. The one method that any thread may call."""
        self._begun.append(now)

    def call(self, connection: str) -> None:
        """`connection` (address and port of the peer) made a call."""
        if connection in self._called:
            self._called.move_to_end(connection)
            return
        self._called[connection] = None
        if len(self._called) > MOST_PEERS:
            self._called.popitem(last=False)
        self.take_back()

    def take_back(self) -> None:
        """One that began is accounted for."""
        if self._begun:
            self._begun.pop()

    def unfinished(self, now: float) -> int:
        """How many more than the last time this was asked had their time and never called."""
        count = 0
        while self._begun and self._begun[0] <= now - self._grace:
            self._begun.popleft()
            count += 1
        return count
