"""The annotation that keeps users in their part of a split, into the model."""

from collections.abc import Mapping

from weft.model.traffic import HashKey, HashOnCaller, HashOnCookie, HashOnHeader
from weft.resource.sticky_split import ANNOTATION, StickySplit
from weft.resource.sticky_split import sticky_split as said


def sticky_split(annotations: Mapping[str, str]) -> HashKey | None:
    """What a request is put into its part by; None: by chance."""
    match said(annotations[ANNOTATION]) if ANNOTATION in annotations else None:
        case StickySplit("header", name):
            return HashOnHeader(name)
        case StickySplit("cookie", name):
            return HashOnCookie(name)
        case StickySplit():
            return HashOnCaller(identity=True)
    return None
