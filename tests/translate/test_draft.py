"""Mappings while they change."""

from weft.translate.draft import Buckets, Draft, Shelves


def test_a_draft_that_is_not_written_is_the_frozen_mapping() -> None:
    """Neither reading nor writing what is there already copies anything."""
    frozen = {"a": (1,)}
    draft = Draft(frozen)
    draft.put("a", (1,))
    draft.put("b", ())
    assert draft.get("a") == (1,)
    assert draft.frozen() is frozen
    assert not draft.changed()


def test_a_draft_knows_what_differs() -> None:
    """A key that was set and set back has not changed; an empty value removes."""
    frozen = {"a": (1,), "b": (2,), "c": (3,)}
    draft = Draft(frozen)
    draft.put("a", (4,))
    draft.put("a", (1,))
    draft.put("b", ())
    draft.put("c", (5,))
    draft.put("d", (6,))
    assert draft.frozen() == {"a": (1,), "c": (5,), "d": (6,)}
    assert (draft.changed(), draft.appeared_or_gone()) == ({"b", "c", "d"}, {"b", "d"})
    assert frozen == {"a": (1,), "b": (2,), "c": (3,)}


def test_only_the_shelf_written_to_is_copied() -> None:
    """Other shelves stay the same objects; a shelf that empties goes."""
    frozen = {"x": {"a": (1,)}, "y": {"b": (2,)}}
    shelves: Shelves[str, tuple[int, ...]] = Shelves(frozen)
    assert shelves.frozen() is frozen
    shelves.put("x", "a", None)
    shelves.put("z", "c", (3,))
    after = shelves.frozen()
    assert after == {"y": {"b": (2,)}, "z": {"c": (3,)}}
    assert after["y"] is frozen["y"]
    assert (shelves.get("y", "b"), dict(shelves.shelf("x"))) == ((2,), {})


def test_a_bucket_that_empties_goes() -> None:
    """Sets are changed apart; the old mapping stays as it was, and what did not change is the same object."""
    frozen = {"a": frozenset({1}), "b": frozenset({2})}
    buckets = Buckets(frozen)
    buckets.add("a", 3)
    buckets.discard("a", 3)
    assert buckets.frozen() is frozen
    buckets.discard("b", 2)
    buckets.add("c", 4)
    assert (set(buckets.present()), set(buckets.get("c")), set(buckets.get("b"))) == ({"a", "c"}, {4}, set())
    after = buckets.frozen()
    assert after == {"a": {1}, "c": {4}}
    assert after["a"] is frozen["a"]
