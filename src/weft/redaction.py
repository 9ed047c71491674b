"""Secrets taken out of text that leaves the mesh's own hands: audit entries, support bundles.

Known by their form (private keys, tokens, passwords in URLs and after words such as `password:`), and by the names of the
fields that hold them.
"""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "(redacted)"

_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), REDACTED),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), REDACTED),  # a JSON Web Token
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), rf"\1:{REDACTED}@"),
    (
        re.compile(r"(?i)([\w.-]*(?:password|passwd|secret|token|api[_-]?key|private[_-]?key|credential)s?[\"']?\s*[:=]\s*)"
                   r"(?:\"[^\"]+\"|'[^']+'|[^\s,;&}\"']{4,})"),
        rf"\1{REDACTED}",
    ),
)  # fmt: skip
_NAME = re.compile(
    r"(?i)(password|passwd|passphrase|private[_-]?key$|client[_-]?secret|hmac[_-]?secret|api[_-]?key|access[_-]?token|token$|"
    r"inline_?bytes$|^authorization$|^cookie$)"
)
_HELD = ("data", "stringData")
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def redacted(text: str) -> str:
    """The text without what looks like a secret."""
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    return bool(_NAME.search(name))


def redacted_object(of: Any) -> Any:
    """A resource, or any JSON value, without secrets: all that a Secret holds, what fields of telling names hold, and in
    every text what looks like one."""
    if isinstance(of, Mapping) and of.get("kind") == "Secret":
        meta = of.get("metadata") or {}
        notes = {name: text for name, text in (meta.get("annotations") or {}).items() if name != _APPLIED}
        held = {name: dict.fromkeys(of[name] or {}, REDACTED) for name in _HELD if name in of}
        return {**of, **held, "metadata": {**_each(meta), "annotations": notes}}
    return _each(of)


def _each(of: Any) -> Any:
    if isinstance(of, Mapping):
        hidden = {name for name, value in of.items() if isinstance(value, str) and is_secret(str(name))}
        return {name: REDACTED if name in hidden else redacted_object(value) for name, value in of.items()}
    if isinstance(of, list | tuple):
        return [redacted_object(one) for one in of]
    return redacted(of) if isinstance(of, str) else of
