"""Which known host an unknown one may have been meant to be.

Cheap enough to be asked for every known host: the same name in another namespace, or one slip of the pen: the two differ in
one place only, by a few characters.
"""

from collections.abc import Iterable


def near(host: str, known: str) -> bool:
    """Whether `host` may have been meant to be `known`."""
    name, _, rest = host.partition(".")
    if known.startswith("*"):
        return False
    if known.startswith(f"{name}."):
        return True
    if rest and known.endswith(f".{rest}"):
        return _one_slip(name, known[: -len(rest) - 1])
    return ".svc." not in known and ".svc." not in host and _one_slip(host, known)


def _one_slip(one: str, other: str) -> bool:
    longest, shortest = max(len(one), len(other)), min(len(one), len(other))
    allowed = min(3, (longest + 1) // 3)
    if longest - shortest > allowed:
        return False
    start = 0
    while start < shortest and one[start] == other[start]:
        start += 1
    end = 0
    while end < shortest - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return longest - start - end <= allowed


def nearest(host: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """The hosts of `known` that `host` may have been meant to be: those of the same name first, then by length and name."""
    name = host.partition(".")[0]
    found = [one for one in known if near(host, one)]
    return tuple(sorted(found, key=lambda one: (not one.startswith(f"{name}."), abs(len(one) - len(host)), one))[:limit])
