"""Host names as a mesh resolves them: short names, wildcards, and which of two patterns is the more specific.

Short names follow Kubernetes' search path (https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/)
and Istio's rule that a name without a dot is completed with the namespace of the *resource* that wrote it.
"""

from collections.abc import Iterable
from difflib import get_close_matches

DEFAULT_DOMAIN = "cluster.local"


def full_name(host: str, namespace: str, domain: str = DEFAULT_DOMAIN) -> str:
    """`host` as written in a resource of `namespace`: a name without a dot gets the rest, every other stands as it is."""
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
