"""The order of what several resources say of one host, and the merging of DestinationRules.

The older wins; of two as old, the first by namespace and name. A Kubernetes Service comes before a ServiceEntry of the same
name. `model.precedence` then chooses for one caller.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol, TypeVar

from weft.model.service import Service
from weft.model.traffic import ServicePolicy, TrafficPolicy
from weft.ref import Ref


class Said(Protocol):
    """What was said by a resource at some time."""

    @property
    def created(self) -> str:
        """RFC 3339; empty before the resource is stored: the oldest of all."""
        ...

    @property
    def origin(self) -> Ref:
        """By whom."""
        ...


T = TypeVar("T", bound=Said)


def age(of: Said) -> tuple[str, str, str]:
    """Sorts what was said: the smaller is the older."""
    return of.created, of.origin.namespace, of.origin.name


def ordered(said: Iterable[T]) -> tuple[T, ...]:
    """The older first."""
    return tuple(sorted(said, key=age))


def ordered_services(said: Iterable[Service]) -> tuple[Service, ...]:
    """Services before ServiceEntries, then the older first."""
    return tuple(sorted(said, key=lambda one: (one.origin.kind != "Service", *age(one))))


def replaced(said: tuple[T, ...], origin: Ref, by: T | None) -> tuple[T, ...]:
    """What is said of a host after the resource `origin` says `by` of it (None: nothing), the older first."""
    others = tuple(one for one in said if one.origin != origin)
    return others if by is None else ordered((*others, by))


def together(one: ServicePolicy, other: ServicePolicy) -> bool:
    """Whether two DestinationRules for one host are merged: both of one namespace, for the same workloads and namespaces."""
    return (
        one.namespace == other.namespace and one.workload_selector == other.workload_selector and one.export_to == other.export_to
    )


def merged(rules: tuple[ServicePolicy, ...]) -> tuple[ServicePolicy, ...]:
    """The DestinationRules for one host (the older first) as they hold: those that belong together are one, with the subsets
    of all (the older wins a name) and the first traffic policy that says something."""
    out: list[ServicePolicy] = []
    for rule in rules:
        at = next((i for i, one in enumerate(out) if together(one, rule)), None)
        if at is None:
            out.append(rule)
        else:
            out[at] = _union(out[at], rule)
    return tuple(out)


def _union(older: ServicePolicy, younger: ServicePolicy) -> ServicePolicy:
    names = {subset.name for subset in older.subsets}
    return replace(
        older,
        policy=younger.policy if older.policy == TrafficPolicy() else older.policy,
        subsets=older.subsets + tuple(subset for subset in younger.subsets if subset.name not in names),
        merged=(*older.merged, younger.origin),
        fallbacks=older.fallbacks or younger.fallbacks,
    )
