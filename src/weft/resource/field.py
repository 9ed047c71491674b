"""How the fields of a kind are declared: frozen structs, and marks that reading, validation and the schema share.

A mark stands in the field's type (`Annotated[..., UNSUPPORTED]`), so that one definition says what is read, what is
refused, and what kubectl is told.
"""

from typing import Annotated

from msgspec import Meta, Struct


class Message(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of a resource. Attributes are the JSON names in snake_case; absent fields have their default."""


def unsupported(hint: str = "", *, unless: object = None) -> Meta:
    """Marks a field that is read and has no effect yet. `unless` is the one value that asks for nothing."""
    said = f"Not supported yet: it has no effect; {hint}." if hint else "Not supported yet: it has no effect."
    return Meta(extra={"supported": False, "hint": hint, "unless": unless}, extra_json_schema={"description": said})


def ignored(why: str) -> Meta:
    """Marks a field that means nothing here and that manifests have all the same: reading it is worth a word, not a warning."""
    return Meta(extra={"ignored": why}, extra_json_schema={"description": f"Of no use here: {why}."})


def deprecated(instead: str) -> Meta:
    """Marks a field that still works and has a successor, whose name is `instead`."""
    return Meta(extra={"deprecated": instead}, extra_json_schema={"description": f"Deprecated: use {instead}."})


def checked(check: str, *, description: str = "") -> Meta:
    """Marks a string that is more than a string: `check` names an entry of `formats.FORMATS`."""
    return Meta(extra={"check": check}, extra_json_schema={"description": description} if description else None)


UNSUPPORTED = unsupported()

Duration = Annotated[str, checked("duration", description="A duration such as 1.5s, 100ms or 2m; at least 1ms.")]
DurationOrZero = Annotated[str, checked("duration-or-zero", description="A duration such as 1.5s or 0s.")]
Regex = Annotated[str, checked("regex", description="A regular expression in RE2 syntax that matches the whole value.")]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
UInt32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
UInt64 = Annotated[int, Meta(ge=0)]
Percentage = Annotated[int, Meta(ge=0, le=100)]
PercentageFloat = Annotated[float, Meta(ge=0, le=100)]
