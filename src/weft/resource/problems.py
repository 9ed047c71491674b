"""The findings about one resource while it is being read."""

from weft.finding import Finding, Severity
from weft.messages import finding
from weft.ref import Ref
from weft.resource.field_path import covers, steps


class Problems:
    """Collects findings; each names its field by its whole path."""

    def __init__(self, ref: Ref) -> None:
        self.ref = ref
        self.findings: list[Finding] = []

    def add(self, code: str, path: str, /, **words: object) -> None:
        """The finding `code` at `path` (empty: the whole resource)."""
        self.findings.append(finding(code, self.ref.at(path) if path else self.ref, **words))

    def invalid(self, path: str, problem: str, hint: str = "") -> None:
        """An `invalid-value`, unless `problem` is empty."""
        if problem:
            self.add("invalid-value", path, problem=problem, hint=hint)

    def conflict(self, path: str, present: dict[str, bool], hint: str = "") -> bool:
        """A `conflicting-fields` when more than one of `present` is there. Answers whether it was so."""
        names = [name for name, there in present.items() if there]
        if len(names) > 1:
            self.add("conflicting-fields", path, names=" and ".join(names), hint=hint)
        return len(names) > 1

    @property
    def failed(self) -> bool:
        """Whether an ERROR is among them."""
        return any(found.severity is Severity.ERROR for found in self.findings)

    def adopt(self, others: "Problems") -> None:
        """Takes the findings of `others`, but for those that only follow from an error found here: those at, below and just
        above a field that could not be read."""
        unread = [found.ref.field for found in self.findings if found.severity is Severity.ERROR]
        self.findings += [found for found in others.findings if not any(_follows(found.ref.field, path) for path in unread)]


def _follows(field: str, unread: str) -> bool:
    """Whether a finding at `field` comes of `unread`. Two steps above: a sum over a list misses a field of its elements."""
    return covers(unread, field) or (covers(field, unread) and steps(field, unread) <= 2)
