"""Label and field selectors, as Kubernetes writes them (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api).

Fields that can be selected are `metadata.name` and `metadata.namespace`, as for any custom resource.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from weft.controlplane.api.status import bad_request

Matches = Callable[[Mapping[str, Any]], bool]
_REQUIREMENT = re.compile(
    r"\s*(?:"
    r"(?P<absent>!)\s*(?P<not>[^\s,=!()]+)"
    r"|(?P<key>[^\s,=!()]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[^\s,()=!]*)|\s(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?"
    r")\s*(?:,|$)"
)
_FIELDS = ("metadata.name", "metadata.namespace")


def matcher(label_selector: str, field_selector: str) -> Matches:
    """Whether an object satisfies both selectors; empty ones do not narrow. Raises Refused (400) for a broken one."""
    of_labels, of_fields = _labels(label_selector), _fields(field_selector)

    def matches(body: Mapping[str, Any]) -> bool:
        labels = body["metadata"].get("labels") or {}
        return all(fits(labels) for fits in of_labels) and all(fits(body) for fits in of_fields)

    return matches


def _labels(selector: str) -> list[Matches]:
    found: list[Matches] = []
    at = 0
    while at < len(selector):
        match = _REQUIREMENT.match(selector, at)
        if not match:
            raise bad_request(f"unable to parse the label selector {selector!r} at {selector[at:]!r}")
        found.append(_requirement(match))
        at = match.end()
    return found


def _requirement(match: re.Match[str]) -> Matches:
    key = match["key"] or match["not"]
    if match["absent"]:
        return lambda labels: key not in labels
    if match["set"]:
        values = {value.strip() for value in match["values"].split(",")}
        if match["set"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    value = match["value"]
    if match["op"] in ("=", "=="):
        return lambda labels: labels.get(key) == value
    if match["op"] == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: key in labels


def _fields(selector: str) -> list[Matches]:
    return [_field(part) for part in selector.split(",") if part]


def _field(part: str) -> Matches:
    path, operator, value = next((part.partition(operator) for operator in ("!=", "==", "=") if operator in part), (part, "", ""))
    if not operator or path not in _FIELDS:
        raise bad_request(f"field selector {part!r} is not supported: only {' and '.join(_FIELDS)} can be selected")
    name = path.removeprefix("metadata.")
    if operator == "!=":
        return lambda body: body["metadata"].get(name, "") != value
    return lambda body: body["metadata"].get(name, "") == value
