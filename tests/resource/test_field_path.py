"""Paths as kubectl prints them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from weft.resource.field_path import child, covers, item, parent, steps


def test_a_path_is_written_as_kubectl_does() -> None:
    """Dots between plain keys, brackets around indexes and other keys."""
    assert child(item(child("spec", "http"), 0), "route") == "spec.http[0].route"
    assert child("metadata.labels", "app.kubernetes.io/name") == "metadata.labels[app.kubernetes.io/name]"
    assert child("", "spec") == "spec"


@given(st.lists(st.one_of(st.integers(0, 99), st.text("abc./-", min_size=1, max_size=9)), max_size=6))
def test_the_way_up_is_the_way_down(keys: list[int | str]) -> None:
    """`parent` undoes `child` and `item`, one step each."""
    paths = [""]
    for key in keys:
        paths.append(item(paths[-1], key) if isinstance(key, int) else child(paths[-1], key))
    for above, below in pairwise(paths):
        assert parent(below) == above
        assert covers(below, below)
        assert not above or (covers(above, below) and steps(above, below) == 1)
        assert not covers(below, above)
