"""Host names as a mesh resolves them: short names, wildcards, and which of two patterns is the more specific.

Short names follow Kubernetes' search path (https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/)
and Istio's rule that a name without a dot is completed with the namespace of the *resource* that wrote it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from difflib import get_close_matches
from functools import cached_property
from itertools import islice

DEFAULT_DOMAIN = "cluster.local"
_LONGEST_CUT = 3  # characters at the end of a name that a caller may have left out or added
_BESIDE = 64  # names that `Names` keeps beside its index; with more it makes a new one


def full_name(host: str, namespace: str, domain: str = DEFAULT_DOMAIN) -> str:
    """`host` as written in a resource of `namespace`: a name without a dot gets the rest, every other stands as it is, but
    for the case of its letters and a dot at its end, which mean nothing."""
    host = host.lower().removesuffix(".")
    if "." in host or host == "*":
        return host
    return f"{host}.{namespace}.svc.{domain}"


def service_name(name: str, namespace: str, domain: str = DEFAULT_DOMAIN) -> str:
    """The full name of the Kubernetes service `name` in `namespace`."""
    return f"{name}.{namespace}.svc.{domain}"


def candidates(host: str, namespace: str, domain: str = DEFAULT_DOMAIN) -> tuple[str, ...]:
    """The full names that `host`, as a caller in `namespace` says it, may stand for, the first match wins.

    `reviews` and `reviews.data`, `reviews.data.svc`, and the full name are all understood; an external host stands for
    itself.
    """
    host = host.lower().rstrip(".")
    match host.split("."):
        case [name]:
            return (service_name(name, namespace, domain), name)
        case [name, of]:
            return (service_name(name, of, domain), host)
        case [name, of, "svc"]:
            return (service_name(name, of, domain), host)
        case _:
            return (host,)


def instance_names(host: str, namespace: str, domain: str = DEFAULT_DOMAIN) -> tuple[str, ...]:
    """The full names of an instance of a headless service that `host` may stand for: `pod.service`, with namespace, or more."""
    host = host.lower().rstrip(".")
    match host.split("."):
        case [pod, name]:
            return (service_name(f"{pod}.{name}", namespace, domain),)
        case [pod, name, of] | [pod, name, of, "svc"]:
            return (service_name(f"{pod}.{name}", of, domain),)
        case [_, _, _, "svc", *rest] if ".".join(rest) == domain:
            return (host,)
        case _:
            return ()


def spellings(full: str, namespace: str, domain: str = DEFAULT_DOMAIN) -> tuple[str, ...]:
    """Every way a caller in `namespace` may write the service `full`, the longest first."""
    suffix = f".svc.{domain}"
    if not full.endswith(suffix):
        return (full,)
    name, _, of = full[: -len(suffix)].rpartition(".")
    if not name:
        return (full,)
    ways = [full, f"{name}.{of}.svc", f"{name}.{of}"]
    if of == namespace:
        ways.append(name)
    return tuple(ways)


def is_cluster_name(host: str, domain: str = DEFAULT_DOMAIN) -> bool:
    """Whether `host` can only mean something inside the mesh: a single label, or a name in the cluster's domain."""
    host = host.lower().rstrip(".")
    if host == "localhost" or not host:
        return False
    return "." not in host or host.endswith((".svc", f".{domain}"))


def is_wildcard(host: str) -> bool:
    """Whether `host` is `*` or begins with `*.` or `*`."""
    return host.startswith("*")


def matches(pattern: str, host: str) -> bool:
    """Whether `host` (itself perhaps a wildcard) is within `pattern`. `*.a` does not match `a`."""
    if pattern.startswith("*"):
        rest = host[1:] if host.startswith("*") else host
        suffix = pattern[1:]
        return rest.endswith(suffix) and (host.startswith("*") or len(rest) > len(suffix) or not suffix)
    return pattern == host


def specificity(pattern: str) -> tuple[int, int]:
    """Sorts patterns: the greater is the more specific. Exact before wildcard, then the longer."""
    return (0 if is_wildcard(pattern) else 1, len(pattern))


def most_specific(host: str, patterns: Iterable[str]) -> str | None:
    """The pattern of `patterns` that fits `host` best, as Istio ranks them; None when none does."""
    fitting = [pattern for pattern in patterns if matches(pattern, host)]
    return max(fitting, key=lambda pattern: (specificity(pattern), pattern), default=None)


def closest(host: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """Names of `known` that `host` may have been meant to be, the most likely first."""
    return tuple(get_close_matches(host, list(known), n=limit, cutoff=0.6))


def near(host: str, known: str) -> bool:
    """Whether the unknown `host` may have been meant to be `known`: the same first label, or one slip of the pen in it."""
    if is_wildcard(known):
        return False
    label, _, rest = host.partition(".")
    other, _, rest_of_other = known.partition(".")
    if label == other:
        return True
    if rest != rest_of_other or abs(len(label) - len(other)) > _LONGEST_CUT:
        return False
    return label in _cuts(other) or other in _cuts(label) or not _slips(label).isdisjoint(_slips(other))


def _slips(label: str) -> set[str]:
    """The label, and what is left without any one of its characters. Two labels that share one of these differ by a character
    missing, added, wrong or moved."""
    return {label, *(label[:at] + label[at + 1 :] for at in range(len(label)) if len(label) > 1)}


def _cuts(label: str) -> tuple[str, ...]:
    """The label without its last two characters or three, as far as it is long enough."""
    return tuple(label[:-cut] for cut in range(2, min(_LONGEST_CUT, (len(label) + 1) // 3) + 1))


class Names:
    """Known hosts, found by hosts that are `near` them in microseconds however many there are.

    The index is made when it is first asked. `revised` shares it and keeps the difference beside it, while that is small.
    """

    def __init__(self, known: Collection[str] = ()) -> None:
        self._index = _Index(known)
        self._come: frozenset[str] = frozenset()
        self._gone: frozenset[str] = frozenset()

    def revised(self, known: Collection[str], come: Iterable[str], gone: Iterable[str]) -> "Names":
        """The names `known`, which are these with `come` and without `gone`."""
        come, gone = frozenset(come), frozenset(gone)
        revised = Names(known)
        came, went = (self._come | come) - gone, (self._gone | gone) - come
        if len(came) + len(went) <= _BESIDE:
            revised._index, revised._come, revised._gone = self._index, came, went
        return revised

    def nearest(self, host: str, limit: int = 3, fits: Callable[[str], bool] = lambda known: True) -> tuple[str, ...]:
        """The known hosts that `host` may have been meant to be and that `fits` takes: those of the same name first, then by
        length and name."""
        label = host.partition(".")[0]
        found = {one for one in self._index.near(host) if one not in self._gone}
        found |= {one for one in self._come if near(host, one)}
        ranked = sorted(found, key=lambda one: (one.partition(".")[0] != label, abs(len(one) - len(host)), one))
        return tuple(islice(filter(fits, ranked), limit))


class _Index:
    """`known` by first label, and by all that is left of the label after a slip."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known

    def near(self, host: str) -> Iterator[str]:
        """All that are near `host`, some of them twice."""
        label, _, rest = host.partition(".")
        yield from self._labels.get(label, ())
        slips, cuts = self._slips.get(rest, ({}, {}))
        for left in _slips(label):
            yield from slips.get(left, ())
        yield from cuts.get(label, ())
        for left in _cuts(label):
            yield from (one for one in self._labels.get(left, ()) if one.partition(".")[2] == rest)

    @cached_property
    def _labels(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for host in self._known:
            if not is_wildcard(host):
                found.setdefault(host.partition(".")[0], []).append(host)
        return found

    @cached_property
    def _slips(self) -> dict[str, tuple[dict[str, list[str]], dict[str, list[str]]]]:
        """By what follows the first label: hosts by what a slip leaves of it, and by what a cut leaves of it."""
        found: dict[str, tuple[dict[str, list[str]], dict[str, list[str]]]] = {}
        for label, hosts in self._labels.items():
            for host in hosts:
                slips, cuts = found.setdefault(host.partition(".")[2], ({}, {}))
                for left in _slips(label):
                    slips.setdefault(left, []).append(host)
                for left in _cuts(label):
                    cuts.setdefault(left, []).append(host)
        return found
