"""What keeps a user in its part of a weighted split: the annotation `mesh.weft.dev/sticky-split` of a VirtualService or a route.

`header=x-user`, `cookie=session` (of the application: Envoy makes no cookie for a split), or `identity` (of the calling
workload).
"""

from dataclasses import dataclass

from weft.resource import names

ANNOTATION = "mesh.weft.dev/sticky-split"


@dataclass(frozen=True, slots=True)
class StickySplit:
    """`by` is `header`, `cookie` or `identity`."""

    by: str
    name: str = ""


def sticky_split(text: str) -> StickySplit | str:
    """What the annotation says, or what is wrong with it."""
    by, _, name = (part.strip() for part in text.partition("="))
    if by == "identity" and "=" not in text:
        return StickySplit("identity")
    if by not in ("header", "cookie") or not name:
        return f"{text[:60]!r} is none of header=NAME, cookie=NAME and identity"
    return names.header(name) or StickySplit(by, name)
