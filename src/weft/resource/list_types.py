"""Which lists of a kind are maps or sets, and which mappings are one value: what merges item by item, and what as a whole.

As Kubernetes' and the Gateway API's own types declare it (`x-kubernetes-list-type`, `x-kubernetes-map-type`). Every list that
is not named here is atomic, as all of Istio's are. https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.resource.kind import Kind

Path = tuple[str, ...]
"""Field names from the resource down; list items have no step."""


@dataclass(frozen=True, slots=True)
class ListTypes:
    """`maps`: the keys of each list that is a map. `defaults`: what stands for an absent key. `sets`: lists of values without
    order. `atomic`: mappings that one manager owns whole."""

    maps: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    sets: frozenset[Path] = frozenset()
    atomic: frozenset[Path] = frozenset()


_OWNERS: Mapping[Path, tuple[str, ...]] = {("metadata", "ownerReferences"): ("uid",)}
_FINALIZERS = frozenset({("metadata", "finalizers")})
_EVERY = ListTypes(_OWNERS, sets=_FINALIZERS)
_OF: Mapping[str, ListTypes] = {
    "services": ListTypes(
        {**_OWNERS, ("spec", "ports"): ("port", "protocol")}, {"protocol": "TCP"}, _FINALIZERS, frozenset({("spec", "selector")})
    ),
    "gateways.gateway.networking.k8s.io": ListTypes({**_OWNERS, ("spec", "listeners"): ("name",)}, sets=_FINALIZERS),
    "listenersets.gateway.networking.k8s.io": ListTypes({**_OWNERS, ("spec", "listeners"): ("name",)}, sets=_FINALIZERS),
}


def list_types(kind: Kind) -> ListTypes:
    """Those of a kind."""
    return _OF.get(kind.resource, _EVERY)
