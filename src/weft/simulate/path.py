"""Paths as Envoy sees them after `normalize_path` (RFC 3986, section 6.2.2), and what a rewrite makes of them."""

import re

_DOT = re.compile(r"%2e", re.IGNORECASE)


def normalized(path: str) -> str:
    """`path` with its dot segments resolved and backslashes turned; the query stays as it is."""
    before, mark, query = path.partition("?")
    kept: list[str] = []
    segments = before.replace("\\", "/").split("/")[1:]
    for at, written in enumerate(segments):
        last, dots = at == len(segments) - 1, _DOT.sub(".", written)
        segment = dots if dots in (".", "..") else written
        if segment == "..":
            kept = kept[:-1] + ([""] if last else [])
        elif segment == ".":
            kept += [""] if last else []
        else:
            kept.append(segment)
    return "/" + "/".join(kept) + mark + query


def split(path: str) -> tuple[str, str]:
    """The path itself, and what follows it: `?` and the query, or nothing."""
    before, mark, query = path.partition("?")
    return before, mark + query


def parameters(path: str) -> dict[str, str]:
    """The query's parameters as written, not decoded; of several with one name the first."""
    found: dict[str, str] = {}
    for part in path.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        found.setdefault(name, value)
    return found
