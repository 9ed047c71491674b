"""Paths as Envoy sees them after `normalize_path` (RFC 3986, section 6.2.2), and what a rewrite makes of them."""

import re

_DOT = re.compile(r"%2e", re.IGNORECASE)
_WITH_PARAMETERS = re.compile(r"(\.\.?);.*")
_UNRESERVED = re.compile(r"%(2[DdEe]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee])")  # RFC 3986, section 2.3
_SLASHES = re.compile(r"%2f|%5c", re.IGNORECASE)


def normalized(path: str) -> str:
    """`path` with its dot segments resolved, backslashes turned and letters decoded; the query stays as it is."""
    before, mark, query = path.partition("?")
    kept: list[str] = []
    segments = before.replace("\\", "/").split("/")[1:]
    for at, written in enumerate(segments):
        last, dots = at == len(segments) - 1, _DOT.sub(".", _WITH_PARAMETERS.sub(r"\1", written))
        if dots == "..":
            kept = kept[:-1] + ([""] if last else [])
        elif dots == ".":
            kept += [""] if last else []
        else:
            kept.append(_UNRESERVED.sub(lambda found: chr(int(found[1], 16)), written))
    return "/" + "/".join(kept) + mark + query


def with_slashes_decoded(path: str) -> str:
    """`path` with its encoded slashes and backslashes decoded; the query stays as it is."""
    before, mark, query = path.partition("?")
    return _SLASHES.sub(lambda found: "/" if found[0].lower() == "%2f" else "\\", before) + mark + query


def with_slashes_merged(path: str) -> str:
    """`path` with one slash for several; the query stays as it is."""
    before, mark, query = path.partition("?")
    return re.sub("//+", "/", before) + mark + query


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
