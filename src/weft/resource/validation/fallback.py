"""The rules of the annotation that names fallbacks."""

from collections.abc import Mapping

from weft.resource import names
from weft.resource.field_path import child
from weft.resource.istio.fallback import ANNOTATION, fallbacks
from weft.resource.problems import Problems

_FORM = "HOST, HOST:PORT or HOST:PORT/SUBSET, several with commas"


def fallback(annotations: Mapping[str, str], problems: Problems) -> None:
    """Destinations in the form it has."""
    if ANNOTATION not in annotations:
        return
    place = child("metadata.annotations", ANNOTATION)
    try:
        said = fallbacks(annotations[ANNOTATION])
    except ValueError as problem:
        problems.invalid(place, str(problem), _FORM)
        return
    for one in said:
        problems.invalid(place, names.host(one.host) or (names.label(one.subset) if one.subset else ""), _FORM)
