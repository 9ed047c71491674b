"""Mappings while they change: the frozen one is copied when first written to, and what differs at the end is known.

Readers of the old mapping never see the change. A mesh that stays the same shares all its mappings with the last one.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Draft(Generic[K, V]):
    """A mapping being changed. An empty value (`()`, `None`) is never kept: it removes its key."""

    def __init__(self, frozen: Mapping[K, V]) -> None:
        self._frozen = frozen
        self._copy: dict[K, V] | None = None
        self._before: dict[K, V | None] = {}

    def get(self, key: K) -> V | None:
        """The value as it is now."""
        return (self._frozen if self._copy is None else self._copy).get(key)

    def put(self, key: K, value: V | None) -> None:
        """Sets, or removes with an empty value."""
        if self._copy is None:
            if self._frozen.get(key) == value or (not value and key not in self._frozen):
                return
            self._copy = dict(self._frozen)
        self._before.setdefault(key, self._frozen.get(key))
        if value:
            self._copy[key] = value
        else:
            self._copy.pop(key, None)

    def changed(self) -> frozenset[K]:
        """The keys whose value is not what it was."""
        return frozenset(key for key, before in self._before.items() if self.get(key) != before)

    def appeared_or_gone(self) -> frozenset[K]:
        """The keys that were not there, or are not any more."""
        return frozenset(key for key, before in self._before.items() if (before is None) != (self.get(key) is None))

    def frozen(self) -> Mapping[K, V]:
        """The mapping to keep: the old object when nothing was written."""
        return self._frozen if self._copy is None else self._copy


class Shelves(Generic[K, V]):
    """A mapping of mappings being changed: only the shelves written to are copied."""

    def __init__(self, frozen: Mapping[K, Mapping[str, V]]) -> None:
        self._frozen = frozen
        self._drafts: dict[K, Draft[str, V]] = {}

    def get(self, shelf: K, key: str) -> V | None:
        """The value as it is now."""
        draft = self._drafts.get(shelf)
        return draft.get(key) if draft else self._frozen.get(shelf, {}).get(key)

    def shelf(self, shelf: K) -> Mapping[str, V]:
        """All of one shelf."""
        draft = self._drafts.get(shelf)
        return draft.frozen() if draft else self._frozen.get(shelf, {})

    def shelves(self) -> Iterable[K]:
        """The names of all shelves."""
        return tuple(dict.fromkeys((*self._frozen, *self._drafts)))

    def put(self, shelf: K, key: str, value: V | None) -> None:
        """Sets, or removes with None."""
        if shelf not in self._drafts:
            self._drafts[shelf] = Draft(self._frozen.get(shelf, {}))
        self._drafts[shelf].put(key, value)

    def frozen(self) -> Mapping[K, Mapping[str, V]]:
        """The mapping to keep."""
        if not self._drafts:
            return self._frozen
        kept = {**self._frozen, **{shelf: draft.frozen() for shelf, draft in self._drafts.items()}}
        return {shelf: inner for shelf, inner in kept.items() if inner}


class Buckets(Generic[K, V]):
    """A mapping of sets being changed; a set that empties goes."""

    def __init__(self, frozen: Mapping[K, frozenset[V]]) -> None:
        self._frozen = frozen
        self._touched: dict[K, set[V]] = {}

    def get(self, key: K) -> Iterable[V]:
        """The set as it is now."""
        touched = self._touched.get(key)
        return self._frozen.get(key, ()) if touched is None else touched

    def add(self, key: K, item: V) -> None:
        """One more."""
        self._open(key).add(item)

    def discard(self, key: K, item: V) -> None:
        """One less."""
        self._open(key).discard(item)

    def present(self) -> Iterable[K]:
        """All keys whose set is not empty."""
        return (key for key in (*self._frozen, *(self._touched.keys() - self._frozen.keys())) if self.get(key))

    def _open(self, key: K) -> set[V]:
        if key not in self._touched:
            self._touched[key] = set(self._frozen.get(key, ()))
        return self._touched[key]

    def frozen(self) -> Mapping[K, frozenset[V]]:
        """The mapping to keep."""
        changed = {key: items for key, items in self._touched.items() if items != self._frozen.get(key, frozenset())}
        if not changed:
            return self._frozen
        kept = dict(self._frozen)
        for key, items in changed.items():
            if items:
                kept[key] = frozenset(items)
            else:
                kept.pop(key, None)
        return kept
