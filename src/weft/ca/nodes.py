"""Until when each node has a certificate, in a file: a rotation waits for a node that is away while peers still accept it.

Without its file nothing is lost but that patience, so it is not flushed to the disk, and what cannot be read is empty.
"""

import json
from datetime import UTC, datetime
from pathlib import Path


class CertifiedNodes:
    """The nodes of one authority."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends: dict[str, float] | None = None

    def certified(self, node: str, until: datetime) -> None:
        """The node has a new certificate."""
        ends = self._read()
        ends[node] = until.timestamp()
        fresh = self._path.with_name(f".{self._path.name}.new")
        fresh.write_text(json.dumps(ends))
        fresh.replace(self._path)

    def at(self, now: datetime) -> dict[str, datetime]:
        """The nodes whose certificates are valid now, and until when."""
        return {node: datetime.fromtimestamp(end, UTC) for node, end in self._read().items() if end > now.timestamp()}

    def _read(self) -> dict[str, float]:
        if self._ends is None:
            try:
                self._ends = {str(node): float(end) for node, end in json.loads(self._path.read_text()).items()}
            except (OSError, ValueError, AttributeError, TypeError):
                self._ends = {}
        return self._ends
