"""The catalogue of findings: each code, its severity and its words. docs/findings.md documents every one of them.

A code is a stable name; never reuse one. The words say what is wrong; the hint says what to do when the cause is
guessable. Both are filled from the keywords given to `finding`.
"""

from weft.finding import Finding, Severity
from weft.ref import Ref

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - the table below reads better

# code: (severity, message, hint)
CATALOGUE: dict[str, tuple[Severity, str, str]] = {
    # reading
    "yaml-syntax": (E, "this is not YAML: {problem}", "{hint}"),
    "unknown-kind": (E, "weft does not know {api_version} {kind}", "{hint}"),
    "unknown-field": (E, "there is no field {name} here", "{hint}"),
    "wrong-type": (E, "{problem}", "{hint}"),
    "invalid-value": (E, "{problem}", "{hint}"),
    "missing-field": (E, "{name} is required", ""),
    "unsupported-field": (W, "{name} is not supported yet: it has no effect", "{hint}"),
}


def finding(code: str, ref: Ref, **words: object) -> Finding:
    """The finding `code` about `ref`, its words filled from `words`. KeyError when the code or a word is missing: our bug."""
    severity, message, hint = CATALOGUE[code]
    return Finding(code, severity, ref, message.format(**words), hint.format(**words))
