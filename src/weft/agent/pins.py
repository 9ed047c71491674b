"""What the applications of this node answered when they were asked what they speak: kept, so that a service stays what it is.

An answer is of a port of a service, not of an instance: its replicas and its successors are taken to speak the same. It goes when
the port's protocol is declared.
"""

from pathlib import Path

import msgspec

from weft.agent.identity import write_private


class Pins:
    """The answers, by `namespace/service:port`. Without a file nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._kept: dict[str, str] = {}
        if path and path.exists():
            try:
                self._kept = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
            except (OSError, msgspec.DecodeError, msgspec.ValidationError):
                self._kept = {}

    def of(self, port: str) -> str:
        """What is spoken there; empty when nobody was asked."""
        return self._kept.get(port, "")

    def keep(self, port: str, protocol: str) -> None:
        """From now on this is what is spoken there; empty: ask again."""
        if protocol != self.of(port):
            self._kept[port] = protocol
            self._kept = {name: spoken for name, spoken in sorted(self._kept.items()) if spoken}
            if self._path:
                write_private(self._path, msgspec.json.encode(self._kept))
