"""Who delegates to whom, kept up to date: a VirtualService whose rules delegate is read again when one it names changes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from weft.ref import Ref
from weft.resource.istio.virtual_service import Delegate, VirtualService
from weft.resource.resource import Resource
from weft.translate.draft import Buckets, Draft


@dataclass(frozen=True, slots=True)
class Delegation:
    """`roots`: VirtualServices with hosts whose rules delegate. `leaves`: those without hosts, by `namespace/name`. `named`: the
    roots that name a leaf."""

    roots: Mapping[Ref, Resource] = field(default_factory=dict)
    leaves: Mapping[str, Resource] = field(default_factory=dict)
    named: Mapping[str, frozenset[Ref]] = field(default_factory=dict)


def leaf_key(to: Delegate, namespace: str) -> str:
    """`namespace/name` of what a rule of `namespace` delegates to."""
    return f"{to.namespace or namespace}/{to.name}"


class DelegationDraft:
    """A delegation while it changes. Call `replace` for every change, then `touched`."""

    def __init__(self, base: Delegation) -> None:
        self._roots = Draft(base.roots)
        self._leaves = Draft(base.leaves)
        self._named = Buckets(base.named)
        self._touched: dict[Ref, None] = {}
        self._told: dict[str, None] = {}  # leaves that changed, or that are named otherwise than before

    def replace(self, ref: Ref, new: Resource | None) -> bool:
        """The resource `ref` is `new` from now on. Answers whether it is read with others: as one of `touched` or `leaves`."""
        rules = new.spec if new and isinstance(new.spec, VirtualService) else None
        root = new if rules and rules.hosts and any(one.delegate for one in rules.http) else None
        leaf = new if rules and not rules.hosts else None
        for name in _names(self._roots.get(ref)):
            self._named.discard(name, ref)
            self._told[name] = None
        for name in _names(root):
            self._named.add(name, ref)
            self._told[name] = None
        self._roots.put(ref, root)
        if ref.kind == "VirtualService":
            self._replace_leaf(f"{ref.namespace}/{ref.name}", leaf)
        if root:
            self._touched[ref] = None
        return bool(root or leaf)

    def _replace_leaf(self, key: str, leaf: Resource | None) -> None:
        if self._leaves.get(key) is leaf is None:
            return
        self._leaves.put(key, leaf)
        self._told[key] = None
        self._touched.update(dict.fromkeys(sorted(self._named.get(key))))

    def leaf(self, key: str) -> Resource | None:
        """The VirtualService without hosts that is called so."""
        return self._leaves.get(key)

    def touched(self) -> Iterable[Resource]:
        """The roots to read again."""
        return [root for ref in self._touched if (root := self._roots.get(ref))]

    def leaves(self) -> Iterable[tuple[Resource, bool]]:
        """The leaves to read again, and whether anybody delegates to them."""
        return [(leaf, any(True for _ in self._named.get(key))) for key in self._told if (leaf := self._leaves.get(key))]

    def frozen(self) -> Delegation:
        """The delegation to keep."""
        return Delegation(self._roots.frozen(), self._leaves.frozen(), self._named.frozen())


def _names(root: Resource | None) -> Iterator[str]:
    if root and isinstance(root.spec, VirtualService):
        yield from dict.fromkeys(leaf_key(one.delegate, root.meta.namespace) for one in root.spec.http if one.delegate)
