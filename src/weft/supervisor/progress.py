"""What happened, in lines for people: shown by `weft up`, kept for who asks later, and told to who listens."""

import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import Enum

_KEPT = 1000


class Level(Enum):
    """INFO: as it should be. WARNING: it goes on, but look. ERROR: something does not run."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. `source` is whom it is about; `detail` are more lines (the last ones of a log)."""

    time: float
    level: Level
    source: str
    text: str
    detail: tuple[str, ...] = ()

    def message(self) -> dict[str, object]:
        """As JSON."""
        return {**asdict(self), "level": self.level.value, "detail": list(self.detail)}

    def json(self) -> str:
        """As one line of a JSON log, with the time as our other logs write it."""
        when = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps({**self.message(), "time": when})


class Progress:
    """The lines so far, and who listens."""

    def __init__(self) -> None:
        self.lines: deque[Line] = deque(maxlen=_KEPT)
        self._listeners: list[Callable[[Line], None]] = []

    def listen(self, listener: Callable[[Line], None]) -> Callable[[], None]:
        """Calls `listener` with every line from now on; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def tell(self, source: str, text: str, level: Level = Level.INFO, detail: Sequence[str] = ()) -> None:
        """Says that something happened."""
        line = Line(time.time(), level, source, text, tuple(detail))
        self.lines.append(line)
        for listener in tuple(self._listeners):
            listener(line)

    def warn(self, source: str, text: str, detail: Sequence[str] = ()) -> None:
        """Says that something is not as it should be."""
        self.tell(source, text, Level.WARNING, detail)

    def error(self, source: str, text: str, detail: Sequence[str] = ()) -> None:
        """Says that something does not run."""
        self.tell(source, text, Level.ERROR, detail)
