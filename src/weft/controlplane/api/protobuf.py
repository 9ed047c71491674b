"""Kubernetes' protobuf encoding of the few objects that kubectl creates with it (`kubectl create namespace` and its like).

An object is the bytes `k8s\\0`, then a `runtime.Unknown` with apiVersion, kind and the message itself
(https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding-idl). Fields that are not listed are skipped.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from weft.controlplane.api.status import Refused, bad_request

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"

Read = Callable[[Any], Any]
Fields = Mapping[int, tuple[str, Read, bool]]  # number: JSON name, how it is read, whether it repeats


def decoded(sent: bytes) -> dict[str, Any]:
    """The object as JSON. Raises Refused: 400 when it is broken, 415 for a kind that is not read in this encoding."""
    if not sent.startswith(MAGIC):
        raise bad_request("the body is not an object of Kubernetes in protobuf")
    try:
        envelope = _message(_ENVELOPE)(sent[len(MAGIC) :])
        fields = _fields(envelope["type"]["apiVersion"], envelope["type"]["kind"])
        if not fields:
            raise Refused(415, "UnsupportedMediaType", f"{envelope['type']['kind']} is read as application/json only")
        return {**envelope["type"], **_message(fields)(envelope.get("raw", b""))}
    except (KeyError, IndexError, ValueError, TypeError) as problem:
        raise bad_request(f"the body cannot be read as protobuf: {problem}") from None


def _fields(version: str, kind: str) -> Fields | None:
    """Options of a deletion are in the version of what is deleted."""
    return _DELETE_OPTIONS if kind == "DeleteOptions" else _KINDS.get((version, kind))


def _message(fields: Fields) -> Read:
    def read(value: bytes) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number, raw in _raw(value):
            if number not in fields:
                continue
            name, read, repeated = fields[number]
            if not repeated:
                found[name] = read(raw)
            elif isinstance(pair := read(raw), _Pair):
                found.setdefault(name, {})[pair.key] = pair.value
            else:
                found.setdefault(name, []).append(pair)
        return {name: value for name, value in found.items() if value not in ("", None, {}, [])}

    return read


def _raw(value: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers with their raw values: integers and bytes."""
    at = 0
    while at < len(value):
        tag, at = _varint(value, at)
        match tag & 7:
            case 0:
                number, at = _varint(value, at)
                yield tag >> 3, number
            case 2:
                length, at = _varint(value, at)
                if at + length > len(value):
                    raise ValueError("a field is cut off")
                yield tag >> 3, value[at : at + length]
                at += length
            case 1 | 5 as wire:
                at += 8 if wire == 1 else 4
            case wire:
                raise ValueError(f"wire type {wire}")


def _varint(value: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = value[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


class _Pair:
    """An entry of a map."""

    def __init__(self, key: str, value: Any) -> None:
        self.key = key
        self.value = value


def _entry(read: Read) -> Read:
    def pair(value: bytes) -> _Pair:
        found = dict(_raw(value))
        return _Pair(_text(found.get(1, b"")), read(found.get(2, b"")))

    return pair


def _text(value: bytes) -> str:
    return value.decode()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _integer(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _time(value: bytes) -> str | None:
    seconds = dict(_raw(value)).get(1, 0)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if 0 < seconds < 1 << 40 else None


def _integer_or_text(value: bytes) -> int | str:
    found = dict(_raw(value))
    return _text(found.get(3, b"")) if found.get(1) else _integer(found.get(2, 0))


_ENVELOPE: Fields = {
    1: ("type", _message({1: ("apiVersion", _text, False), 2: ("kind", _text, False)}), False),
    2: ("raw", bytes, False),
}
_META: Fields = {
    1: ("name", _text, False),
    2: ("generateName", _text, False),
    3: ("namespace", _text, False),
    5: ("uid", _text, False),
    6: ("resourceVersion", _text, False),
    8: ("creationTimestamp", _time, False),
    11: ("labels", _entry(_text), True),
    12: ("annotations", _entry(_text), True),
    14: ("finalizers", _text, True),
}
_METADATA = ("metadata", _message(_META), False)
_PORT: Fields = {
    1: ("name", _text, False),
    2: ("protocol", _text, False),
    3: ("port", _integer, False),
    4: ("targetPort", _integer_or_text, False),
    5: ("nodePort", lambda value: _integer(value) or None, False),
    6: ("appProtocol", _text, False),
}
_SERVICE_SPEC: Fields = {
    1: ("ports", _message(_PORT), True),
    2: ("selector", _entry(_text), True),
    3: ("clusterIP", _text, False),
    4: ("type", _text, False),
    7: ("sessionAffinity", _text, False),
    10: ("externalName", _text, False),
}
_ATTRIBUTES: Fields = {
    number: (name, _text, False)
    for number, name in enumerate(("namespace", "verb", "group", "version", "resource", "subresource", "name"), 1)
}
_PATH: Fields = {1: ("path", _text, False), 2: ("verb", _text, False)}
_ACCESS: Fields = {
    1: ("resourceAttributes", _message(_ATTRIBUTES), False),
    2: ("nonResourceAttributes", _message(_PATH), False),
}
_PRECONDITIONS: Fields = {1: ("uid", _text, False), 2: ("resourceVersion", _text, False)}
_DELETE_OPTIONS: Fields = {
    1: ("gracePeriodSeconds", _integer, False),
    2: ("preconditions", _message(_PRECONDITIONS), False),
    4: ("propagationPolicy", _text, False),
    5: ("dryRun", _text, True),
}
_KINDS: Mapping[tuple[str, str], Fields] = {
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview"): {1: _METADATA, 2: ("spec", _message(_ACCESS), False)},
    ("authorization.k8s.io/v1", "SelfSubjectRulesReview"): {1: _METADATA},
    ("authentication.k8s.io/v1", "SelfSubjectReview"): {1: _METADATA},
    ("v1", "Namespace"): {1: _METADATA},
    ("v1", "Service"): {1: _METADATA, 2: ("spec", _message(_SERVICE_SPEC), False)},
    ("v1", "ConfigMap"): {1: _METADATA, 2: ("data", _entry(_text), True), 3: ("binaryData", _entry(_base64), True)},
    ("v1", "Secret"): {1: _METADATA, 2: ("data", _entry(_base64), True), 3: ("type", _text, False)},
}
