"""YAML with lines and texts."""

import pytest

from weft.supervisor.yaml_tree import Mapping, NotYaml, Scalar, plain, tree


def _mapping(text: str) -> Mapping:
    root = tree(text)
    assert isinstance(root, Mapping)
    return root


def test_a_number_keeps_its_text() -> None:
    """The text of a version such as 1.10 is not changed by being a number."""
    assert _mapping("version: 1.10").get("version") == Scalar("1.10", "number", 1)


def test_on_and_yes_are_words() -> None:
    """YAML 1.1's other booleans are strings, as in Compose."""
    assert plain(tree("{a: on, b: yes, c: true, d: 'true'}")) == {"a": "on", "b": "yes", "c": True, "d": "true"}


def test_merge_keys_and_aliases_are_resolved() -> None:
    """What `<<` merges stands in the mapping, and its own keys win."""
    text = "base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\n"
    assert plain(_mapping(text).get("mine")) == {"a": 1, "b": 3}


def test_every_node_has_its_line() -> None:
    """Lines count from one and belong to the value."""
    services = _mapping("services:\n  web:\n    command: x\n").get("services")
    assert isinstance(services, Mapping)
    assert [(name, node.line) for name, node in services] == [("web", 3)]


def test_an_empty_value_is_absent() -> None:
    """`key:` alone is null, and `get` says None."""
    assert _mapping("a:\nb: 1").get("a") is None


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "? [a]: b", "a: !!python/object:os.system x\n- b", "\t- a"])
def test_what_is_not_yaml_says_where(text: str) -> None:
    """Broken YAML is refused with its line."""
    with pytest.raises(NotYaml) as refused:
        tree(text)
    assert refused.value.line >= 1


def test_deep_nesting_is_refused() -> None:
    """A file cannot exhaust the stack."""
    with pytest.raises(NotYaml):
        tree("[" * 100 + "]" * 100)
