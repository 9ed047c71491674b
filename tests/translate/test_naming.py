"""exportTo and the names of gateways."""

import pytest

from weft.translate.naming import exported, gateway_name, gateway_names


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ((), ("*",)),
        (("*", "a"), ("*",)),
        ((".",), ("own",)),
        (("b", ".", "a"), ("a", "b", "own")),
        (("~",), ()),
    ],
)
def test_who_sees_a_resource(written: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Nothing said is everyone, a dot the own namespace, a tilde nobody."""
    assert exported(written, "own") == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("mesh", "mesh"),
        ("gw", "own/gw"),
        ("a/gw", "a/gw"),
        ("./gw", "own/gw"),
        ("gw.a.svc.cluster.local", "a/gw"),
    ],
)
def test_which_gateway_is_meant(written: str, expected: str) -> None:
    """A name alone is in the own namespace; Istio's older form has the namespace after the dot."""
    assert gateway_name(written, "own") == expected


def test_gateways_are_sorted_and_named_once() -> None:
    """Two spellings of one gateway are one."""
    assert gateway_names(("own/gw", "gw", "a/b"), "own") == ("a/b", "own/gw")
