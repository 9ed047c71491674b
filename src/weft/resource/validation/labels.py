"""Labels, selectors and metadata, which every kind has."""

from collections.abc import Mapping

from weft.resource import names
from weft.resource.field_path import child, item
from weft.resource.kind import Kind
from weft.resource.meta import ObjectMeta
from weft.resource.problems import Problems
from weft.resource.sticky_split import ANNOTATION, sticky_split

_NAMES = {"Service": names.service, "Namespace": names.label}


def metadata(meta: ObjectMeta, kind: Kind, problems: Problems) -> None:
    """Name, namespace, labels and annotations."""
    wellformed = _NAMES.get(kind.kind, names.subdomain)
    if meta.name:
        problems.invalid("metadata.name", wellformed(meta.name))
    elif not meta.generate_name:
        problems.add("missing-field", "metadata.name", name="name")
    if kind.namespaced:
        problems.invalid("metadata.namespace", names.label(meta.namespace))
    labels(meta.labels, "metadata.labels", problems)
    for key in meta.annotations:
        problems.invalid(child("metadata.annotations", key), names.label_key(key))


def annotated_split(annotations: Mapping[str, str], problems: Problems) -> None:
    """The annotation of routes that keeps users in their part of a split."""
    said = sticky_split(annotations[ANNOTATION]) if ANNOTATION in annotations else None
    if isinstance(said, str):
        problems.invalid(child("metadata.annotations", ANNOTATION), said, "such as header=x-user")


def labels(pairs: Mapping[str, str], path: str, problems: Problems) -> None:
    """The syntax of keys and values."""
    for key, value in pairs.items():
        problems.invalid(child(path, key), names.label_key(key) or names.label_value(value))


def export_to(entries: tuple[str, ...], path: str, problems: Problems) -> None:
    """Namespaces, `.` (this one), `*` (all) or `~` (none)."""
    for index, entry in enumerate(entries):
        if entry not in ("*", ".", "~"):
            problems.invalid(item(path, index), names.label(entry), "a namespace, . for this one, * for all, or ~ for none")
        if entry in entries[:index]:
            problems.add("duplicate", item(path, index), what="the namespace", name=entry, hint="")
    if "~" in entries and len(entries) > 1:
        problems.add("conflicting-fields", path, names="~ and other namespaces", hint="~ stands alone: it exports to nobody")


def duplicates(values: list[tuple[str, str]], what: str, problems: Problems) -> None:
    """A `duplicate` at the path of each value that stood before; empty values are not compared."""
    seen: set[str] = set()
    for value, path in values:
        if value and value in seen:
            problems.add("duplicate", path, what=what, name=value, hint="")
        seen.add(value)
