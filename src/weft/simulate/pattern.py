"""RE2 patterns, with Python's engine: the two agree on whether a text matches for every pattern that weft admits, once the few
spellings that differ are translated. https://github.com/google/re2/wiki/Syntax"""

import re
from functools import lru_cache

from weft.simulate.held import Unreadable

_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z",
    "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_SPELLING = re.compile(r"\\z|\\C|\\x\{0*([0-9A-Fa-f]{1,2})\}|\[:(\w+):\]|\(\?<([A-Za-z_]\w*)>|\\.|\(\?i\)", re.DOTALL)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """`pattern` for Python. Raises Unreadable for what Python cannot say."""
    ignored = pattern.startswith("(?i)")
    while pattern.startswith("(?i)"):
        pattern = pattern[4:]
    try:
        return re.compile(_SPELLING.sub(_translated, pattern), re.ASCII | (re.IGNORECASE if ignored else 0))
    except re.error as problem:
        raise Unreadable(f"the pattern {pattern!r}: {problem}") from None


def _translated(found: re.Match[str]) -> str:
    text, code, name, group = found[0], found[1], found[2], found[3]
    if code:
        return rf"\x{int(code, 16):02x}"
    if name:
        if name not in _CLASSES:
            raise Unreadable(f"the class {text}")
        return _CLASSES[name]
    if group:
        return f"(?P<{group}>"
    return {r"\z": r"\Z", r"\C": "(?s:.)"}.get(text, text)


def whole(pattern: str, text: str) -> bool:
    """Whether all of `text` matches."""
    return compiled(pattern).fullmatch(text) is not None


def replaced(pattern: str, text: str, by: str) -> str:
    r"""`text` with every match replaced; `\1` is a group, `\0` all of the match, `\\` a backslash."""

    def said(found: re.Match[str]) -> str:
        return re.sub(r"\\(\d|\\)", lambda mark: "\\" if mark[1] == "\\" else found[int(mark[1])] or "", by)

    return compiled(pattern).sub(said, text)
