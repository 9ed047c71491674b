"""A rule that delegates, and a rule of the VirtualService it delegates to, as one.

The root says which requests are meant, the delegate what is done with them; it may narrow the match, never leave it.
https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import structs

from weft.resource.istio.virtual_service import HttpMatch, HttpRoute, StringMatch
from weft.translate.naming import gateway_names

_INHERITED = (
    "rewrite", "timeout", "retries", "fault", "mirror", "mirrors", "mirror_percentage", "mirror_percent", "mirror_percent_snake",
    "cors_policy", "headers",
)  # fmt: skip
"""What a delegate's rule has of the root's where it says nothing itself."""

_TEXTS = ("uri", "scheme", "method", "authority")
_TABLES = ("headers", "without_headers", "query_params")


def qualified(rule: HttpRoute, namespace: str) -> HttpRoute:
    """The rule with the gateways of its matches completed with the namespace that wrote them."""
    matches = tuple(structs.replace(one, gateways=gateway_names(one.gateways, namespace)) for one in rule.match)
    return structs.replace(rule, match=matches)


def combined(root: HttpRoute, leaf: HttpRoute) -> HttpRoute | None:
    """`leaf` within `root`. None: a match of `leaf` is within no match of `root`."""
    matches = _matches(root.match, leaf.match)
    if matches is None:
        return None
    said: dict[str, Any] = {name: getattr(leaf, name) or getattr(root, name) for name in _INHERITED}
    return structs.replace(leaf, name=_name(root.name, leaf.name), match=matches, **said)


def _matches(root: tuple[HttpMatch, ...], leaf: tuple[HttpMatch, ...]) -> tuple[HttpMatch, ...] | None:
    if not root or not leaf:
        return root or leaf
    met = [[_met(outer, inner) for outer in root if _fits(outer, inner)] for inner in leaf]
    return tuple(one for found in met for one in found) if all(met) else None


def _met(root: HttpMatch, leaf: HttpMatch) -> HttpMatch:
    """Both matches at once."""
    said: dict[str, Any] = {name: getattr(leaf, name) or getattr(root, name) for name in (*_TEXTS, "port", "gateways")}
    said |= {name: getattr(leaf, name) or getattr(root, name) for name in ("source_namespace", "stat_prefix")}
    said |= {name: {**getattr(root, name), **getattr(leaf, name)} for name in (*_TABLES, "source_labels")}
    return structs.replace(leaf, name=_name(root.name, leaf.name), **said)


def _name(root: str, leaf: str) -> str:
    return "-".join(part for part in (root, leaf) if part)


def _fits(root: HttpMatch, leaf: HttpMatch) -> bool:
    """Whether nothing that `leaf` asks for contradicts `root`."""
    return (
        all(_narrows(outer, inner) for outer, inner in _pairs(root, leaf))
        and root.ignore_uri_case == leaf.ignore_uri_case
        and _same(root.port, leaf.port)
        and _same(root.source_namespace, leaf.source_namespace)
        and all(root.source_labels.get(key, value) == value for key, value in leaf.source_labels.items())
        and (not root.gateways or set(leaf.gateways) <= set(root.gateways))
    )


def _pairs(root: HttpMatch, leaf: HttpMatch) -> Iterator[tuple[StringMatch | None, StringMatch | None]]:
    for name in _TEXTS:
        yield getattr(root, name), getattr(leaf, name)
    for name in _TABLES:
        outer: Mapping[str, StringMatch] = getattr(root, name)
        inner: Mapping[str, StringMatch] = getattr(leaf, name)
        yield from ((outer.get(key), value) for key, value in inner.items())


def _same(root: object, leaf: object) -> bool:
    return not root or not leaf or root == leaf


def _narrows(root: StringMatch | None, leaf: StringMatch | None) -> bool:
    """Whether every text that fits `leaf` fits `root`. Of expressions nobody can tell: only one of the two may be given."""
    if root is None or leaf is None:
        return True
    if root.exact is not None:
        return leaf.exact == root.exact
    inner = leaf.exact if leaf.exact is not None else leaf.prefix
    return root.prefix is not None and inner is not None and inner.startswith(root.prefix)
