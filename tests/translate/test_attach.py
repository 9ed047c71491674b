"""The join of selectors and workloads, kept up to date."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from weft.model.labels import Labels, labels, selects
from weft.ref import Ref
from weft.translate.attach import Attachments, AttachmentsDraft

pairs = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), max_size=3).map(labels)
selectors = st.dictionaries(st.sampled_from(["s1", "s2", "s3"]), pairs.filter(bool), max_size=3)
workloads = st.dictionaries(st.sampled_from(["w1", "w2", "w3"]), pairs, max_size=3)


def _ref(name: str) -> Ref:
    return Ref("", "Service", "n", name)


def _step(base: Attachments, old: tuple[Mapping[str, Labels], Mapping[str, Labels]],
          new: tuple[Mapping[str, Labels], Mapping[str, Labels]]) -> AttachmentsDraft:  # fmt: skip
    draft = AttachmentsDraft(base)
    for name, of in old[1].items():
        draft.detach("n", name, of)
    for name, of in old[0].items():
        draft.unselect("n", of, _ref(name))
    for name, of in new[0].items():
        draft.select("n", of, _ref(name), ())
    for name, of in new[1].items():
        draft.attach("n", name, of)
    return draft


@given(selectors, workloads, selectors, workloads)
def test_the_join_is_what_selects_says(
    selectors1: Mapping[str, Labels],
    workloads1: Mapping[str, Labels],
    selectors2: Mapping[str, Labels],
    workloads2: Mapping[str, Labels],
) -> None:
    """After any change both directions agree with looking at every pair."""
    first = _step(Attachments(), ({}, {}), (selectors1, workloads1)).frozen()
    draft = _step(first, (selectors1, workloads1), (selectors2, workloads2))
    for name, of in workloads2.items():
        expected = {_ref(one) for one, selector in selectors2.items() if selects(selector, of)}
        assert set(draft.selectors_of("n", of)) == expected, name
    for selector in selectors2.values():
        assert set(draft.selected_by("n", selector)) == {name for name, of in workloads2.items() if selects(selector, of)}


def test_a_new_shape_finds_the_workloads_that_are_there() -> None:
    """A selector of labels that nobody asked for before selects the workloads that came first, of its namespace only."""
    draft = AttachmentsDraft(Attachments())
    draft.attach("n", "w", (("a", "x"),))
    draft.select("n", (("a", "x"),), _ref("s"), [("w", (("a", "x"),)), ("v", (("a", "y"),))])
    assert set(draft.selected_by("n", (("a", "x"),))) == {"w"}
    assert not set(draft.selectors_of("m", (("a", "x"),)))
