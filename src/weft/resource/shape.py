"""The shapes of values: each reads a raw value into a typed one. `record.py` makes them out of a kind's struct.

Reading never stops at a mistake: what cannot be read becomes a finding and an empty value of its shape, so that one pass
finds every mistake there is. Null is absence, as in the Kubernetes API.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from weft.resource.field_path import child, item
from weft.resource.formats import FORMATS
from weft.resource.problems import Problems
from weft.resource.wording import close_name, plain, shown, unquoted


@dataclass(slots=True)
class Reading:
    """The findings so far, and the records around the value that is being read (path and field names), outermost first."""

    problems: Problems
    around: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    lenient: bool = False  # unknown fields are ignored with a warning, as in metadata
    elements: int = 0  # of all lists and mappings so far

    def takes(self, number: int, path: str) -> bool:
        """Whether there is room for `number` elements more. Where there is none the resource is read no further there: who
        writes a million rules is told so at once, and nobody waits until they were read."""
        full = self.elements > MOST_ELEMENTS
        self.elements += number
        if self.elements <= MOST_ELEMENTS:
            return True
        if not full:
            hint = "split it into several resources"
            self.problems.invalid(path, f"with these {number} the resource has more than {MOST_ELEMENTS} elements", hint)
        return False


MOST_ELEMENTS = 10_000
"""In all lists and mappings of one resource together."""


class Shape(Protocol):
    """What a value must look like."""

    def read(self, value: Any, path: str, reading: Reading) -> Any:
        """`value` as the struct holds it; for one that does not fit, a finding and `empty`."""
        ...

    @property
    def empty(self) -> Any:
        """A value of this shape that says nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string, perhaps of a format."""

    check: str = ""
    longest: int | None = None
    empty: str = ""

    def read(self, value: Any, path: str, reading: Reading) -> str:
        """See Shape."""
        if not isinstance(value, str):
            wrong(reading, path, "a duration" if self.check.startswith("duration") else "a text", value, self._written(value))
            return self.empty
        if not _encodable(value):
            reading.problems.invalid(path, "it is no Unicode text: half of a surrogate pair stands alone in it")
            return self.empty
        if self.longest is not None and len(value) > self.longest:
            reading.problems.invalid(path, f"it has {len(value)} characters; at most {self.longest} are allowed")
        elif self.check and (found := FORMATS[self.check](value)):
            reading.problems.invalid(path, found.problem, found.hint)
        return value

    def _written(self, value: Any) -> str:
        """The hint for a scalar that is not a string."""
        if not isinstance(value, bool | int | float):
            return ""
        return f"write {value}s" if self.check.startswith("duration") else f'put it in quotes: "{plain(value)}"'


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a range; `whole` ones only, or with a fraction."""

    whole: bool = True
    least: float | None = None
    most: float | None = None
    empty: int = 0

    def read(self, value: Any, path: str, reading: Reading) -> int | float:
        """See Shape."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            wrong(reading, path, "a whole number" if self.whole else "a number", value, unquoted(value))
            return self.empty
        if (self.least is not None and not value >= self.least) or (self.most is not None and not value <= self.most):
            reading.problems.invalid(path, f"{shown(value)} is not {self.range}")
        number: int | float = value
        return number

    @property
    def range(self) -> str:
        """The range in words."""
        if self.most is None:
            return f"at least {self.least:g}"
        return f"between {self.least or 0:.10g} and {self.most:.10g}"


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    empty: bool = False

    def read(self, value: Any, path: str, reading: Reading) -> bool:
        """See Shape."""
        if isinstance(value, bool):
            return value
        wrong(reading, path, "true or false", value, "remove the quotes" if value in ("true", "false") else "")
        return self.empty


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def read(self, value: Any, path: str, reading: Reading) -> str:
        """See Shape."""
        if value in self.words:
            return str(value)
        if not isinstance(value, str):
            wrong(reading, path, "one of " + ", ".join(self.words), value, "")
            return self.empty
        close = close_name(value, self.words)
        reading.problems.invalid(
            path, f"{shown(value)} is not one of {', '.join(self.words)}", f"did you mean {close}?" if close else ""
        )
        return self.empty

    @property
    def empty(self) -> str:
        """See Shape."""
        return self.words[0]


@dataclass(frozen=True, slots=True)
class Either:
    """A whole number or a text: Kubernetes' IntOrString."""

    empty: int = 0

    def read(self, value: Any, path: str, reading: Reading) -> int | str:
        """See Shape."""
        if isinstance(value, int | str) and not isinstance(value, bool):
            return value
        wrong(reading, path, "a whole number or a text", value, "")
        return self.empty


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    of: Shape
    least: int = 0
    most: int | None = None
    empty: tuple[Any, ...] = ()

    def read(self, value: Any, path: str, reading: Reading) -> tuple[Any, ...]:
        """See Shape."""
        if not isinstance(value, list | tuple):
            wrong(reading, path, "a list", value, "begin each element with a dash: - ..." if value else "")
            return self.empty
        if len(value) < self.least or (self.most is not None and len(value) > self.most):
            problem = (
                f"{self.least} element is needed" if len(value) < self.least else f"at most {self.most} elements are allowed"
            )
            reading.problems.invalid(path, f"the list has {len(value)} elements: {problem}")
        if not reading.takes(len(value), path):
            return self.empty
        return tuple(self.of.read(element, item(path, index), reading) for index, element in enumerate(value))


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with keys that the operator chooses."""

    of: Shape

    def read(self, value: Any, path: str, reading: Reading) -> Mapping[str, Any]:
        """See Shape."""
        if not isinstance(value, Mapping):
            hint = "remove the dash: this is a mapping, not a list" if isinstance(value, list | tuple) else ""
            wrong(reading, path, "a mapping", value, hint)
            return self.empty
        if not reading.takes(len(value), path):
            return self.empty
        return {str(key): self.of.read(inner, child(path, str(key)), reading) for key, inner in value.items()}

    @property
    def empty(self) -> Mapping[str, Any]:
        """See Shape."""
        return {}


@dataclass(frozen=True, slots=True)
class Anything:
    """What nobody looks into."""

    empty: None = None

    def read(self, value: Any, path: str, reading: Reading) -> Any:
        """See Shape."""
        return value


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def wrong(reading: Reading, path: str, wanted: str, value: Any, hint: str) -> None:
    """Adds a `wrong-type` to the findings."""
    reading.problems.add("wrong-type", path, problem=f"{wanted} is expected here, not {shown(value)}", hint=hint)
