"""Field paths as kubectl prints them: `spec.http[0].route[1].weight`, `metadata.labels[app.kubernetes.io/name]`."""

import re

_PLAIN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_LAST = re.compile(r"(\.?[A-Za-z0-9_-]+|\[[^\[\]]*\])\Z", re.ASCII)


def child(path: str, key: str) -> str:
    """The path of `key` below `path`."""
    if not _PLAIN.fullmatch(key):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def below(path: str, *keys: str) -> str:
    """The path of a field some levels below `path`."""
    for key in keys:
        path = child(path, key)
    return path


def item(path: str, index: int) -> str:
    """The path of an element of the list at `path`."""
    return f"{path}[{index}]"


def parent(path: str) -> str:
    """The path above; empty at the top."""
    return _LAST.sub("", path) if _LAST.search(path) else ""


def steps(above: str, below: str) -> int:
    """How many keys and indexes lie between `above` and a path that it covers."""
    return len(re.findall(r"\.?[^.\[\]]+|\[[^\]]*\]", below[len(above) :]))


def covers(above: str, below: str) -> bool:
    """Whether `below` is `above` or a field of it. The whole resource (empty) covers nothing but itself."""
    if above == below:
        return True
    return bool(above) and below.startswith(above) and below[len(above)] in ".["
