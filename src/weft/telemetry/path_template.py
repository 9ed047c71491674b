"""Paths as templates: what names one thing among many (numbers, UUIDs, hashes, tokens) is `{*}`, as in AuthorizationPolicy.

Nothing after the path itself is looked at, so that no query and no matrix parameter is ever kept; what looks like a secret is
like what looks like an id. https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

ANY, REST = "{*}", "{**}"
DEEPEST = 10
"""Segments that are kept; what is deeper is `{**}`."""

_LONGEST = 40  # characters of a segment that a person may have named
_NUMBER = re.compile(r"[-+]?[0-9][0-9.,:_-]*\Z")
_HEX = re.compile(r"(?=.*[0-9])[0-9a-fA-F]{7,}\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.~-]*\Z|[A-Za-z_.~-]+\Z|v[0-9]+\Z")
_MIXED = re.compile(r"[0-9]")
_EXTENSION = re.compile(r"(.+)\.[a-z][a-z0-9]{0,4}\Z")


def template(path: str) -> str:
    """The template of a path, which may have a query. `*` and whatever is no path at all stay as they are."""
    path = path.partition("?")[0].partition("#")[0]
    if not path.startswith("/"):
        return path if path == "*" else ""
    segments = path[1:].split("/")
    kept = [_segment(one) for one in segments[:DEEPEST]]
    return "/" + "/".join([*kept, REST] if len(segments) > DEEPEST else kept)


def _segment(text: str) -> str:
    return ANY if text and is_variable(text) else text


def is_variable(segment: str) -> bool:
    """Whether a segment looks like the name of one thing among many, and not like a word of an API."""
    if segment in (ANY, REST):
        return True
    stem = found[1] if (found := _EXTENSION.match(segment)) else segment
    if len(segment) > _LONGEST or _UUID.search(segment) or any(_NUMBER.match(one) or _HEX.match(one) for one in (segment, stem)):
        return True
    return not _WORD.match(segment) or len(_MIXED.findall(segment)) >= 4


def covers(pattern: str, one: str) -> bool:
    """Whether every path of the template `one` is a path of the template `pattern`."""
    wanted, there = pattern.split("/"), one.split("/")
    if wanted[-1] == REST:
        return len(there) >= len(wanted) - 1 and _fits(wanted[:-1], there)
    return len(wanted) == len(there) and there[-1] != REST and _fits(wanted, there)


def _fits(wanted: list[str], there: list[str]) -> bool:
    return all(a == b or (a == ANY and b not in ("", REST)) for a, b in zip(wanted, there, strict=False))


def collapsed(paths: Iterable[str], most: int) -> Mapping[str, str]:
    """A template of at most about `most` for each of the templates `paths`: where most differ, there is `{*}`."""
    now = {path: tuple(path.split("/")) for path in paths}
    while len(set(now.values())) > most:
        children: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for one in set(now.values()):
            for at in range(1, len(one)):
                children[one[:at]].add(one[at])
        prefix = max(children, key=lambda key: (len(children[key] - {""}), -len(key), key))
        if len(children[prefix] - {""}) < 2:
            break
        rest = REST in children[prefix]
        now = {path: _replaced(one, prefix, rest) for path, one in now.items()}
    return {path: "/".join(one) for path, one in now.items()}


def _replaced(one: tuple[str, ...], prefix: tuple[str, ...], rest: bool) -> tuple[str, ...]:
    at = len(prefix)
    if one[:at] != prefix or len(one) <= at or one[at] == "":
        return one
    return (*prefix, REST) if rest else (*prefix, ANY, *one[at + 1 :])
