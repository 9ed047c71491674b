"""How many connections began a TLS handshake and never made a call: wrong certificates, and peers that stall.

gRPC tells a Python server when a handshake begins, but neither who it is with nor that it failed. So both ends are
counted: what began longer ago than a handshake may take, less the connections that called. Pure: time is an argument.
"""

from collections import OrderedDict, deque

MOST_PEERS = 10_000


class Handshakes:
    """The balance of one server."""

    def __init__(self, grace: float) -> None:
        """`grace`: seconds after its beginning within which an honest connection makes its first call."""
        self._grace = grace
        self._begun: deque[float] = deque()  # appended by gRPC's own threads: deque.append is atomic
        self._called: OrderedDict[str, None] = OrderedDict()
        self._balance = 0

    def begin(self, now: float) -> None:
        """A handshake began. The one method that any thread may call."""
        self._begun.append(now)

    def call(self, connection: str) -> None:
        """`connection` (address and port of the peer) made a call."""
        if connection in self._called:
            self._called.move_to_end(connection)
            return
        self._called[connection] = None
        self._balance -= 1
        if len(self._called) > MOST_PEERS:
            self._called.popitem(last=False)

    def expect(self, count: int) -> None:
        """So many connections come from ourselves and will not call."""
        self._balance -= count

    def unfinished(self, now: float) -> int:
        """How many more than the last time this was asked never called."""
        while self._begun and self._begun[0] <= now - self._grace:
            self._begun.popleft()
            self._balance += 1
        count = max(0, self._balance)
        self._balance -= count
        return count
