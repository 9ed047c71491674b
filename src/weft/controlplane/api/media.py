"""What a client wants to be answered, read from its Accept header.

Kubernetes puts the kind of answer into parameters: `application/json;as=Table;v=v1;g=meta.k8s.io`
(https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from weft.controlplane.api.status import Refused


@dataclass(frozen=True, slots=True)
class Media:
    """One alternative of an Accept header: its type, and its parameters but for the quality."""

    type: str
    parameters: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str:
        """The parameter's value, or nothing."""
        return dict(self.parameters).get(name, "")


def alternatives(accept: str) -> tuple[Media, ...]:
    """What `accept` allows, the preferred first. An empty header allows everything."""
    found = [_media(part) for part in accept.split(",") if part.strip()]
    ranked = sorted(found, key=lambda pair: -pair[0])
    return tuple(media for _, media in ranked) or (Media("*/*"),)


def _media(part: str) -> tuple[float, Media]:
    name, *written = (piece.strip() for piece in part.split(";"))
    parameters = [(key.strip().lower(), value.strip()) for key, _, value in (each.partition("=") for each in written)]
    try:
        quality = next((float(value) for key, value in parameters if key == "q"), 1.0)
    except ValueError:
        quality = 0.0
    return quality, Media(name.lower(), tuple(sorted(pair for pair in parameters if pair[0] != "q")))


def chosen(accept: str, fits: Sequence[Callable[[Media], bool]]) -> int:
    """Which of `fits` is the first that an alternative of `accept` satisfies. Raises Refused (406) when none is."""
    for media in alternatives(accept):
        for number, fit in enumerate(fits):
            if fit(media):
                return number
    raise Refused(406, "NotAcceptable", "only application/json is served here")


def json(media: Media) -> bool:
    """Plain JSON, whatever else may be wanted of it."""
    return media.type in ("application/json", "application/*", "*/*") and not media.parameter("as")


def table(media: Media) -> bool:
    """A Table of meta.k8s.io, as `kubectl get` asks."""
    return (
        media.type == "application/json"
        and media.parameter("as") == "Table"
        and media.parameter("g") == "meta.k8s.io"
        and media.parameter("v") in ("v1", "v1beta1")
    )
