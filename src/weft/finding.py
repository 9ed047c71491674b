"""What weft tells an operator about their configuration.

A finding is never raised: it is collected, returned, shown in `weft apply`'s answer and written to the resource's
status. Its code is stable and documented in docs/findings.md.
"""

from dataclasses import dataclass, replace
from enum import Enum

from weft.ref import Ref


class Severity(Enum):
    """ERROR: the resource is refused. WARNING: accepted, and something in it does not do what it says. INFO: good to know."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing an operator should know: what, where, and what to do about it."""

    code: str
    severity: Severity
    ref: Ref
    message: str
    hint: str = ""
    file: str = ""
    line: int = 0

    def located(self, file: str, line: int) -> "Finding":
        """The same finding, with the place in the operator's file."""
        return replace(self, file=file, line=line)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        text = f"{place}{self.severity.value} {self.code}: {self.ref}: {self.message}"
        return f"{text}\n  hint: {self.hint}" if self.hint else text
