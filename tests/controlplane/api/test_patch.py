"""Patches on values, as their specifications' examples have them."""

from typing import Any

import pytest

from weft.controlplane.api import strategic
from weft.controlplane.api.patch import json_patched, merged
from weft.controlplane.api.status import Refused


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({"a": {"b": "c"}}, [{"op": "test", "path": "/a/b", "value": "c"}], {"a": {"b": "c"}}),
        ({"a": {"b": "c"}}, [{"op": "remove", "path": "/a/b"}], {"a": {}}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": [1, 2]}, [{"op": "replace", "path": "/a/0", "value": 5}], {"a": [5, 2]}),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a/b": 1, "m~n": 2}, [{"op": "replace", "path": "/a~1b", "value": 3}], {"a/b": 3, "m~n": 2}),
        ({"m~n": 2}, [{"op": "remove", "path": "/m~0n"}], {}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ],
)
def test_a_json_patch(before: Any, patch: Any, after: Any) -> None:
    """RFC 6902."""
    assert json_patched(before, patch) == after


@pytest.mark.parametrize(
    "patch",
    [
        {},
        [1],
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "remove", "path": "/x"}],
        [{"op": "add", "path": "/l/7", "value": 1}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/a/b/c", "value": 1}],
        [{"op": "grow", "path": "/a"}],
        [{"op": "add", "path": "/a"}],
        [{"op": "remove", "path": ""}],
    ],
)
def test_a_json_patch_that_does_not_fit(patch: Any) -> None:
    """A patch that is none, or does not fit, is refused, and the object is not touched."""
    before = {"a": 1, "l": [1]}
    with pytest.raises(Refused):
        json_patched(before, patch)
    assert before == {"a": 1, "l": [1]}


def test_a_merge_patch() -> None:
    """RFC 7386: null removes, lists are replaced, a value in the way of an object gives way."""
    assert merged({"a": {"b": 1, "c": 2}, "l": [1]}, {"a": {"b": None, "d": 3}, "l": [2], "n": {"x": None}}) == {
        "a": {"c": 2, "d": 3},
        "l": [2],
        "n": {},
    }
    assert merged({"a": "text"}, {"a": {"b": 1}}) == {"a": {"b": 1}}


PORTS = {"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]}}


@pytest.mark.parametrize(
    ("patch", "ports"),
    [
        ([{"port": 81, "name": "c"}], [(80, "a"), (81, "c")]),
        ([{"port": 82, "name": "c"}], [(80, "a"), (81, "b"), (82, "c")]),
        ([{"port": 80, "$patch": "delete"}], [(81, "b")]),
        ([{"port": 82, "name": "c"}, {"$patch": "replace"}], [(82, "c")]),
    ],
)
def test_a_list_of_ports_is_a_map(patch: Any, ports: Any) -> None:
    """A strategic merge patch merges ports by their number."""
    merged = strategic.merged(PORTS, {"spec": {"ports": patch}})
    assert [(port["port"], port["name"]) for port in merged["spec"]["ports"]] == ports


def test_directives_of_a_strategic_patch() -> None:
    """Order, retained keys, deletion from sets, and replacement of a whole map."""
    order = {"spec": {"$setElementOrder/ports": [{"port": 81}, {"port": 80}]}}
    assert [port["port"] for port in strategic.merged(PORTS, order)["spec"]["ports"]] == [81, 80]
    assert strategic.merged({"a": 1, "b": 2}, {"$retainKeys": ["b"], "b": 3}) == {"b": 3}
    assert strategic.merged({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}) == {"a": {"c": 2}}
    assert strategic.merged({"a": {"b": 1}}, {"a": {"$patch": "delete"}}) == {"a": {}}
    finalizers = {"metadata": {"finalizers": ["x", "y"]}}
    assert strategic.merged(finalizers, {"metadata": {"finalizers": ["z"]}})["metadata"]["finalizers"] == ["x", "y", "z"]
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}
    assert strategic.merged(finalizers, gone)["metadata"]["finalizers"] == ["y"]
    assert strategic.merged({"a": 1}, {"a": None}) == {}
