"""Envoy's matchers for the paths and hosts of a policy.

Servers read paths more loosely than a proxy does: `//admin`, `/admin/`, `/admin;x` and `/x%2f..%2fadmin` may all be `/admin` to
the application. So what is denied is matched widely, whatever a server may take for it, and what is allowed narrowly. A path with
a dot segment that only a server which decodes slashes would resolve is denied by every path and allowed by none.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
"""

import re
from typing import Any
from urllib.parse import unquote_to_bytes

_SLASH = r"(?:/|%2[Ff]|%5[Cc])"
_PARAMETERS = r"(?:;|%3[Bb])[^/]*"
_TAIL = rf"(?:{_SLASH}|{_PARAMETERS})*"
_BETWEEN = rf"(?:{_PARAMETERS})?{_SLASH}{_TAIL}"
_UNRESOLVED = rf".*{_SLASH}(?:\.|%2[Ee]){{1,2}}(?:{_PARAMETERS})?(?:{_SLASH}.*)?"
_UNRESERVED = re.compile(rb"[A-Za-z0-9._~-]")  # Envoy has decoded these when a path is normalized (RFC 3986, 6.2.2.2)


def text(value: str, *, widely: bool = False) -> dict[str, Any]:
    """Envoy's matcher for a value as Istio writes it; `widely`: its case is of no account."""
    if value == "*":
        return {"safe_regex": {"regex": ".+"}}
    ignoring = {"ignore_case": True} if widely else {}
    if value.startswith("*"):
        return {"suffix": value[1:], **ignoring}
    return {"prefix": value[:-1], **ignoring} if value.endswith("*") else {"exact": value, **ignoring}


def path(value: str) -> dict[str, Any]:
    """A path as it is written: exact, `prefix*`, `*suffix`, or a template."""
    return _regex(_template(value, re.escape)) if "{" in value else text(value)


def path_widely(value: str) -> dict[str, Any]:
    """Whatever a server may take for the path."""
    if value == "*":
        return text(value)
    if "{" in value:
        whole = _template(value, _loosely) + _TAIL
    elif value.startswith("*"):
        whole = ".*" + _loosely(value[1:]) + _TAIL
    else:
        whole = _loosely(value[:-1]) + ".*" if value.endswith("*") else _loosely(value) + _TAIL
    return _regex(f"(?:{whole})|(?:{_UNRESOLVED})")


def unresolved() -> dict[str, Any]:
    """Paths with a dot segment that Envoy has not resolved, as it would have to decode a slash for it."""
    return _regex(_UNRESOLVED)


def host(value: str, *, widely: bool = False) -> dict[str, Any]:
    """Hosts are compared without case; one that names no port is meant with any. `widely`: also as one of several, with a user or
    with dots at its end."""
    if value == "*":
        return text(value)
    whole = re.escape(value.strip("*"))
    before, after = ".*" if value.startswith("*") else "", ".*" if value.endswith("*") else ""
    port = "" if after or re.search(r":\d+$", value) else r"(:\d*)?"
    if not widely:
        return _regex(f"(?i){before}{whole}{after}{port}")
    dots = "" if after or not port else r"\.*"
    return _regex(rf"(?i)(?:.*,)?\s*(?:[^,@]*@)?{before}{whole}{after}{dots}{port}\s*(?:,.*)?")


def _template(value: str, literal: Any) -> str:
    """`{*}` is one segment, `{**}` any number of characters."""
    parts = re.split(r"(\{\*\*?\})", value)
    return "".join({"{*}": "[^/]+", "{**}": ".*"}.get(one) or literal(one) for one in parts)


def _loosely(literal: str) -> str:
    """A part of a path in every spelling: slashes repeated or encoded, parameters before them, other characters encoded."""
    return "".join(
        _BETWEEN if one else _spelled(other) for one, other in re.findall(r"(/+)|([^/]+)", literal)
    )  # fmt: skip


def _spelled(segment: str) -> str:
    said = unquote_to_bytes(segment)
    return "".join(_byte(said[at : at + 1]) for at in range(len(said)))


def _byte(one: bytes) -> str:
    if _UNRESERVED.fullmatch(one):
        return re.escape(one.decode())
    high, low = (f"[{digit}{digit.lower()}]" if digit.isalpha() else digit for digit in f"{one[0]:02X}")
    encoded = f"%{high}{low}"
    return f"(?:{re.escape(one.decode())}|{encoded})" if one.isascii() else encoded


def _regex(of: str) -> dict[str, Any]:
    return {"safe_regex": {"regex": of}}
