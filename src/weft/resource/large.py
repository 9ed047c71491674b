"""Which objects are so large that nobody should wait while they are read: reading goes to a thread."""

from collections.abc import Iterable, Mapping
from typing import Any

LARGE = 1_000
"""Values in the objects together; reading, translating and compiling them takes about ten milliseconds."""


def is_large(bodies: Iterable[Mapping[str, Any] | None]) -> bool:
    """Whether these objects have more than `LARGE` values; it looks at no more than that."""
    left = LARGE
    stack: list[Any] = [body for body in bodies if body]
    while stack:
        value = stack.pop()
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        left -= len(inner)
        if left < 0:
            return True
        stack.extend(inner)
    return False
