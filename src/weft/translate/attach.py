"""Which selectors select which workloads: a join of labels that is kept up to date, one change at a time.

A selector `app=web, tier=front` has the shape `(app, tier)`. For each shape in a namespace both sides are indexed by their
values of these labels, so that neither a changed workload nor a changed selector ever meets the others of its side.
Namespaces have few shapes (usually `(app,)`); only a shape never seen before walks over the workloads.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from weft.model.labels import Labels
from weft.ref import Ref
from weft.translate.draft import Buckets

Shape = tuple[str, ...]
Place = tuple[str, Shape, tuple[str, ...]]  # namespace, labels asked for, their values


@dataclass(frozen=True, slots=True)
class Attachments:
    """`selecting`: the resources that select these values. `selected`: the names of the workloads that have them. `shapes`:
    those ever asked for in a namespace."""

    selecting: Mapping[Place, frozenset[Ref]] = field(default_factory=dict)
    selected: Mapping[Place, frozenset[str]] = field(default_factory=dict)
    shapes: Mapping[str, frozenset[Shape]] = field(default_factory=dict)


class AttachmentsDraft:
    """Attachments while they change. A selector is known by the resource that wrote it."""

    def __init__(self, base: Attachments) -> None:
        self._selecting = Buckets(base.selecting)
        self._selected = Buckets(base.selected)
        self._shapes = Buckets(base.shapes)

    def select(self, namespace: str, selector: Labels, ref: Ref, workloads: Iterable[tuple[str, Labels]]) -> None:
        """A new selector. `workloads` are all of the namespace, walked over only for a new shape."""
        place = _place(namespace, selector)
        if place[1] not in self._shapes.get(namespace):
            self._shapes.add(namespace, place[1])
            for name, labels in workloads:
                if at := _projection(namespace, place[1], dict(labels)):
                    self._selected.add(at, name)
        self._selecting.add(place, ref)

    def unselect(self, namespace: str, selector: Labels, ref: Ref) -> None:
        """A selector is gone. Its shape stays indexed: others of the kind tend to come."""
        self._selecting.discard(_place(namespace, selector), ref)

    def attach(self, namespace: str, name: str, labels: Labels) -> None:
        """A new workload."""
        for place in self._places(namespace, labels):
            self._selected.add(place, name)

    def detach(self, namespace: str, name: str, labels: Labels) -> None:
        """A workload is gone, or has other labels."""
        for place in self._places(namespace, labels):
            self._selected.discard(place, name)

    def selectors_of(self, namespace: str, labels: Labels) -> Iterator[Ref]:
        """The resources whose selectors select a workload with `labels`."""
        for place in self._places(namespace, labels):
            yield from self._selecting.get(place)

    def selected_by(self, namespace: str, selector: Labels) -> Iterable[str]:
        """The names of the workloads that `selector`, one of those added, selects."""
        return self._selected.get(_place(namespace, selector))

    def frozen(self) -> Attachments:
        """The attachments to keep."""
        return Attachments(self._selecting.frozen(), self._selected.frozen(), self._shapes.frozen())

    def _places(self, namespace: str, labels: Labels) -> Iterator[Place]:
        said = dict(labels)
        for shape in self._shapes.get(namespace):
            if place := _projection(namespace, shape, said):
                yield place


def _place(namespace: str, selector: Labels) -> Place:
    return namespace, tuple(key for key, _ in selector), tuple(value for _, value in selector)


def _projection(namespace: str, shape: Shape, labels: Mapping[str, str]) -> Place | None:
    """The values of `labels` under `shape`; None when one is missing."""
    values = tuple(labels[key] for key in shape if key in labels)
    return (namespace, shape, values) if len(values) == len(shape) else None
