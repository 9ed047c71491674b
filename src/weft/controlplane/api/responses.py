"""JSON out: objects, refusals and the warnings beside them."""

from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.responses import Response

from weft.controlplane.api.status import Refused

WARNINGS_LIMIT = 4096
"""Bytes of all Warning headers of an answer together, as in Kubernetes: clients limit the size of headers."""


def answer(body: Any, code: int = 200, *, warnings: Iterable[str] = (), media_type: str = "application/json") -> Response:
    """`body` as JSON, with `warnings` in headers that kubectl prints."""
    response = Response(msgspec.json.encode(body), code, media_type=media_type)
    response.raw_headers.extend(_warning_headers(warnings))
    return response


def refusal(refused: Refused) -> Response:
    """The Status of a refusal."""
    response = answer(refused.status(), refused.code, warnings=refused.warnings)
    if refused.code == 429 or refused.code == 503:
        response.headers["retry-after"] = "1"
    return response


def _warning_headers(warnings: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """`299 - "text"` (RFC 7234 section 5.5), without what a header may not hold."""
    headers, left = [], WARNINGS_LIMIT
    for text in dict.fromkeys(warnings):
        line = " | ".join(part.strip() for part in text.splitlines() if part.strip())
        clean = "".join(character for character in line if character.isprintable())
        quoted = clean.replace("\\", "\\\\").replace('"', '\\"').encode()
        if len(quoted) > left:
            break
        left -= len(quoted)
        headers.append((b"warning", b'299 - "' + quoted + b'"'))
    return headers
