"""Plain YAML scalars as Kubernetes' tools read them: YAML 1.1, but without its dates and base-60 numbers, which would turn
`10:30` into 630."""

import re

Scalar = str | int | float | bool | None

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {
    word: value
    for value, words in ((True, ("true", "yes", "on")), (False, ("false", "no", "off")))
    for lower in words
    for word in (lower, lower.capitalize(), lower.upper())
}
_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|(?:0|[1-9][0-9_]*))", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_LONGEST_NUMBER = 40  # longer ones are texts: no number of a resource is


def scalar(text: str) -> Scalar:
    """The value of `text` written without quotes and without a tag."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] in "+-.0123456789" and len(text) <= _LONGEST_NUMBER:
        return _number(text)
    return text


def _number(text: str) -> Scalar:
    bare = text.replace("_", "")
    if _INT.fullmatch(text) and bare not in ("0b", "0x", "0o"):
        sign, digits = (-1, bare[1:]) if bare.startswith("-") else (1, bare.removeprefix("+"))
        if digits.startswith("0") and digits[1:].isdigit():
            digits = f"0o{digits[1:]}"
        return sign * int(digits, 0)
    if _FLOAT.fullmatch(text) and any(mark in text for mark in ".eE"):
        return float(bare)
    return text


def key(text: str, plain: bool) -> str | None:
    """A mapping's key: always a string. `true` and `on` written plainly are `true`; None for a plain null."""
    value = scalar(text) if plain else text
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else value if isinstance(value, str) else str(value)
