"""Refusals, as Kubernetes words them: a Status object with a machine-readable reason and the fields that caused it.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from weft.finding import Finding
from weft.resource.kind import Kind


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong, and the path of the field it is wrong in."""

    reason: str
    message: str
    field: str = ""


class Refused(Exception):
    """A request that is not done. `about` is the resource's plural or kind, `name` the object's name, where there is one."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        group: str = "",
        about: str = "",
        name: str = "",
        causes: Sequence[Cause] = (),
        warnings: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.group = group
        self.about = about
        self.name = name
        self.causes = tuple(causes)
        self.warnings = tuple(warnings)

    def status(self) -> dict[str, Any]:
        """The Status object that says it."""
        details = {
            "name": self.name,
            "group": self.group,
            "kind": self.about,
            "causes": [
                {"reason": cause.reason, "message": cause.message, "field": cause.field or "<root>"} for cause in self.causes
            ],
        }
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "details": {name: value for name, value in details.items() if value},
            "code": self.code,
        }


def success(kind: Kind, name: str, uid: str) -> dict[str, Any]:
    """The Status that answers a deletion; kubectl waits for the object with this uid to be gone."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": name, "group": kind.group, "kind": kind.plural, "uid": uid},
    }


def not_found(kind: Kind, name: str) -> Refused:
    """There is no such object."""
    return Refused(404, "NotFound", f'{kind.resource} "{name}" not found', group=kind.group, about=kind.plural, name=name)


def already_exists(kind: Kind, name: str) -> Refused:
    """A create of what is there."""
    message = f'{kind.resource} "{name}" already exists'
    return Refused(409, "AlreadyExists", message, group=kind.group, about=kind.plural, name=name)


def conflict(kind: Kind, name: str, why: str) -> Refused:
    """A write that stood on an older state."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return Refused(409, "Conflict", message, group=kind.group, about=kind.plural, name=name)


class Raced(Refused):
    """A conflict with a writer beside the API, such as the writer of statuses: made again on the new state, it may succeed."""


def raced(kind: Kind, name: str) -> Raced:
    """An object changed between the API's reading and writing it."""
    message = str(conflict(kind, name, CHANGED))
    return Raced(409, "Conflict", message, group=kind.group, about=kind.plural, name=name)


CHANGED = "the object has been modified; please apply your changes to the latest version and try again"


def bad_request(message: str) -> Refused:
    """What was sent cannot be understood."""
    return Refused(400, "BadRequest", message)


def gone(message: str) -> Refused:
    """A revision that is compacted: list again."""
    return Refused(410, "Expired", message)


def unsupported_media_type(message: str) -> Refused:
    """A body in a format that is not read here."""
    return Refused(415, "UnsupportedMediaType", message)


def invalid(kind: Kind, name: str, causes: Sequence[Cause], warnings: Sequence[str] = ()) -> Refused:
    """An object that is wrong in the fields named by `causes`."""
    words = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    said = words[0] if len(words) == 1 else "[" + ", ".join(words) + "]"
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    message = f'{qualified} "{name}" is invalid: {said}'
    return Refused(
        422, "Invalid", message, group=kind.group, about=kind.kind, name=name, causes=causes, warnings=warnings
    )  # fmt: skip


_REASONS = {
    "missing-field": "FieldValueRequired",
    "wrong-type": "FieldValueTypeInvalid",
    "unknown-subset": "FieldValueNotFound",
    "unknown-host": "FieldValueNotFound",
}


def cause(finding: Finding) -> Cause:
    """A finding as the cause of a refusal; its code and hint are part of the message."""
    return Cause(_REASONS.get(finding.code, "FieldValueInvalid"), _words(finding), finding.ref.field)


def warning(finding: Finding) -> str:
    """A finding as the text of a Warning header: one line, in which a hint's YAML is written as JSON, to be pasted as well."""
    return f"{finding.ref}: {_words(replace(finding, hint=_one_line(finding.hint)))}"


def _one_line(hint: str) -> str:
    words, _, block = hint.partition("\n")
    return f"{words} {json.dumps(yaml.safe_load(block))}" if words.endswith(":") and block else hint


def _words(finding: Finding) -> str:
    text = f"{finding.code}: {finding.message}"
    return f"{text}; hint: {finding.hint}" if finding.hint else text
