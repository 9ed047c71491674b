"""What an object is after a configuration was applied to it: fields merge by the types of their lists, and what the applier said
before and does not say any more goes, unless somebody else says it.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from collections.abc import Mapping, Sequence
from typing import Any

from weft.controlplane.api import field_set
from weft.controlplane.api.field_set import Fields
from weft.resource.list_types import ListTypes, Path


def merged(live: Any, config: Any, path: Path, types: ListTypes) -> Any:
    """`live` with everything that `config` says."""
    wanted, there = field_set.children(config, path, types), field_set.children(live, path, types)
    if wanted is None or there is None:
        return config
    both = {step: merged(there[step][0], inner, at, types) if step in there else inner for step, (inner, at) in wanted.items()}
    if isinstance(config, Mapping):
        return {**live, **{step[2:]: value for step, value in both.items()}}
    items = {step: inner for step, (inner, _) in there.items()} | both
    return [items[step] for step in _order(list(there), list(wanted))]


def _order(there: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """What is there keeps its places, in the order of what is wanted; what is new stands behind its neighbour."""
    sorted_anew = iter([step for step in wanted if step in there])
    found = [next(sorted_anew) if step in wanted else step for step in there]
    before = None
    for step in wanted:
        if step not in found:
            found.insert(0 if before is None else found.index(before) + 1, step)
        before = step
    return found


def without(value: Any, gone: Fields, kept: Fields, path: Path, types: ListTypes) -> Any:
    """`value` without the fields in `gone`, but for those in `kept`. A mapping that loses its last field goes too."""
    parts = field_set.children(value, path, types)
    if not parts:
        return value
    left: dict[str, Any] = {}
    for step, (inner, at) in parts.items():
        doomed, held = gone.get(step), kept.get(step)
        if doomed is None:
            left[step] = inner
        elif held is not None or not field_set.member(doomed):
            rest = without(inner, doomed, held or {}, at, types)
            if held is not None or rest or not inner or not path:
                left[step] = rest
    if isinstance(value, Mapping):
        return {step[2:]: inner for step, inner in left.items()}
    return list(left.values())
