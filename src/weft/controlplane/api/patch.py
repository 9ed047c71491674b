"""The three ways to change a part of an object: JSON patch (RFC 6902), JSON merge patch (RFC 7386), and Kubernetes' strategic
merge patch, which knows that some lists are maps by a key.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from weft.controlplane.api import strategic
from weft.controlplane.api.status import Refused, bad_request, unsupported_media_type
from weft.resource.kind import Kind

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def media_types(kind: Kind) -> tuple[str, ...]:
    """What may be sent to patch an object of `kind`. Strategic merge is for Kubernetes' own kinds, as there."""
    return (JSON_PATCH, MERGE_PATCH, APPLY) if kind.group else (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)


def check_media_type(kind: Kind, media_type: str) -> None:
    """Raises Refused (415) for a patch that is not read."""
    if media_type not in media_types(kind):
        allowed = ", ".join(media_types(kind))
        raise unsupported_media_type(
            f"{media_type or 'a patch without a content type'} is not read for {kind.resource}: use {allowed}"
        )


def patched(kind: Kind, media_type: str, body: Mapping[str, Any], patch: Any) -> dict[str, Any]:
    """`body` after `patch`. Raises Refused: 400 for a broken patch, 415 for a media type that is not read, 422 for a patch
    that does not fit the object."""
    check_media_type(kind, media_type)
    if media_type == JSON_PATCH:
        return _object(json_patched(dict(body), patch))
    if not isinstance(patch, Mapping):
        raise bad_request("a merge patch is an object")
    if media_type == MERGE_PATCH:
        return _object(merged(body, patch))
    return _object(strategic.merged(body, patch))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _does_not_fit("the result is not an object")
    return value


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386: objects merge, null removes, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def json_patched(document: Any, patch: Any) -> Any:
    """RFC 6902."""
    if not isinstance(patch, list) or not all(isinstance(step, Mapping) for step in patch):
        raise bad_request("a JSON patch is a list of operations")
    document = deepcopy(document)
    for number, step in enumerate(patch):
        try:
            document = _OPERATIONS[step["op"]](document, step)
        except KeyError as missing:
            raise _does_not_fit(f"operation {number} ({step.get('op')} {step.get('path')}): {missing} does not exist") from None
        except (IndexError, ValueError, TypeError) as problem:
            raise _does_not_fit(f"operation {number} ({step.get('op')} {step.get('path')}): {problem}") from None
    return document


def _does_not_fit(why: str) -> Refused:
    return Refused(422, "Invalid", f"the server rejected our request due to an error in our request: {why}")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(f"a path begins with /: {text!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(items: list[Any], part: str, *, end: bool = False) -> int:
    if end and part == "-":
        return len(items)
    if not part.isdigit() or int(part) >= len(items) + end:
        raise IndexError(f"there is no item {part}")
    return int(part)


def _at(document: Any, parts: list[str]) -> Any:
    for part in parts:
        document = document[_index(document, part)] if isinstance(document, list) else document[part]
    return document


def _add(document: Any, path: str, value: Any) -> Any:
    parts = _pointer(path)
    if not parts:
        return value
    parent = _at(document, parts[:-1])
    if isinstance(parent, list):
        parent.insert(_index(parent, parts[-1], end=True), value)
    else:
        parent[parts[-1]] = value
    return document


def _remove(document: Any, path: str) -> Any:
    *above, last = _pointer(path) or [""]
    parent = _at(document, above)
    if isinstance(parent, list):
        del parent[_index(parent, last)]
    else:
        del parent[last]
    return document


def _replace(document: Any, path: str, value: Any) -> Any:
    if not _pointer(path):
        return value
    return _add(_remove(document, path), path, value)


def _test(document: Any, path: str, value: Any) -> Any:
    if _at(document, _pointer(path)) != value:
        raise ValueError("the test failed")
    return document


def _move(document: Any, source: str, path: str) -> Any:
    value = _at(document, _pointer(source))
    return _add(_remove(document, source), path, value)


def _copy(document: Any, source: str, path: str) -> Any:
    return _add(document, path, deepcopy(_at(document, _pointer(source))))


_OPERATIONS: Mapping[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "add": lambda document, step: _add(document, step["path"], step["value"]),
    "remove": lambda document, step: _remove(document, step["path"]),
    "replace": lambda document, step: _replace(document, step["path"], step["value"]),
    "test": lambda document, step: _test(document, step["path"], step["value"]),
    "move": lambda document, step: _move(document, step["from"], step["path"]),
    "copy": lambda document, step: _copy(document, step["from"], step["path"]),
}
