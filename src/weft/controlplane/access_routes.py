"""Who may come in, and what they did: client certificates for users, and the audit log, below /weft/v1."""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from weft.ca.csr import InvalidRequest
from weft.controlplane.api.caller import Role
from weft.controlplane.audit_log import AuditLog

Sign = Callable[[bytes, str, str, timedelta], bytes]
"""A client certificate (PEM) for a CSR (DER), a user, a group, and a life. Raises InvalidRequest."""

LONGEST = timedelta(days=366)
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)?")
_MOST = 10_000


def routes(sign: Sign, audit: AuditLog) -> tuple[Route, ...]:
    """`POST /weft/v1/users` with `name`, `role`, `ttl` (seconds) and `csr` (DER in base64), and `GET /weft/v1/audit` with `since`
    and `limit`."""

    async def create_user(request: Request) -> Response:
        said = await request.json()
        name, role, ttl = str(said.get("name", "")), str(said.get("role", "")), float(said.get("ttl", 0))
        if not _USER.fullmatch(name):
            return _wrong(f"{name[:80]!r} is no user's name: letters, digits and . _ @ -, at most 63")
        if role not in list(Role):
            return _wrong(f"{role[:80]!r} is no role: one of {', '.join(Role)}")
        if not 60 <= ttl <= LONGEST.total_seconds():
            return _wrong("a certificate lives for a minute at least and a year at most")
        try:
            signed = sign(base64.b64decode(said.get("csr", ""), validate=True), name, f"weft:{role}s", timedelta(seconds=ttl))
        except (InvalidRequest, binascii.Error) as problem:
            return _wrong(f"the signing request: {problem}")
        return JSONResponse({"certificate": signed.decode()}, 201)

    async def entries(request: Request) -> Response:
        since, limit = request.query_params.get("since", ""), request.query_params.get("limit", "1000")
        if (since and not _TIME.fullmatch(since)) or not limit.isdigit():
            return _wrong("since is a time such as 2026-01-31T12:00:00Z, limit a number")
        return JSONResponse({"items": audit.entries(since, min(int(limit), _MOST))})

    return (Route("/weft/v1/users", create_user, methods=["POST"]), Route("/weft/v1/audit", entries))


def _wrong(message: str) -> Response:
    return JSONResponse({"message": message}, 400)
