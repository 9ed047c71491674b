"""Operations on a list of named things: filters, filter chains, routes, virtual hosts."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from weft.compile.patch.merge import merge
from weft.model.extension import Operation

Element = TypeVar("Element", bound=Message)


def operated(
    elements: Sequence[Element],
    operation: Operation,
    value: Element,
    fits: Callable[[Element], bool],
    *,
    anywhere: bool = True,
    first: int = 0,
    last: int | None = None,
) -> list[Element] | None:
    """The list after the operation; None when nothing in it was meant. `fits`: whether an element is the one that is looked for;
    `anywhere`: none is looked for, so that what is inserted stands first or last. `first` and `last` are where that is."""
    whole = list(elements)
    end = len(whole) if last is None else last
    found = [number for number, one in enumerate(whole) if fits(one)]
    match operation:
        case Operation.ADD:
            return [*whole[:end], value, *whole[end:]]
        case Operation.INSERT_FIRST:
            return [*whole[:first], value, *whole[first:]]
        case Operation.INSERT_BEFORE | Operation.INSERT_AFTER if anywhere:
            at = first if operation is Operation.INSERT_BEFORE else end
            return [*whole[:at], value, *whole[at:]]
    if not found:
        return None
    match operation:
        case Operation.INSERT_BEFORE:
            return [*whole[: found[0]], value, *whole[found[0] :]]
        case Operation.INSERT_AFTER:
            return [*whole[: found[0] + 1], value, *whole[found[0] + 1 :]]
        case Operation.REMOVE:
            return [one for number, one in enumerate(whole) if number not in found]
        case Operation.REPLACE:
            return [value if number == found[0] else one for number, one in enumerate(whole)]
    for number in found:
        merge(whole[number], value)
    return whole
