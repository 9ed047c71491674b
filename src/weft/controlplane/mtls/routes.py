"""What the API says of mTLS, below /weft/v1/mtls: the mode of every port, and tightenings."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from weft.ca.authority import NotSigned
from weft.controlplane.mtls.tightening import NotNow, Tightener, limits
from weft.rollout.scope import Scope, scope
from weft.rollout.tighten import Tightening

Rows = Callable[[Scope, float], Iterable[Mapping[str, Any]]]
"""What is known of the ports of a scope, with the traffic of the last so many seconds."""

Reports = Callable[[float, float], Awaitable[Mapping[str, Any]]]
"""The signed report of a period, in Unix seconds."""

_HOUR = 3600.0


def routes(rows: Rows, tightener: Tightener, reports: Reports, now: Callable[[], float]) -> tuple[Route, ...]:
    """The routes."""

    async def status(request: Request) -> Response:
        try:
            asked, window = scope(request.query_params.get("scope", "")), float(request.query_params.get("window", _HOUR))
        except ValueError as problem:
            return _refused(str(problem), 400)
        return JSONResponse({"items": list(rows(asked, window))})

    async def tightening(_: Request) -> Response:
        return JSONResponse(_shown(tightener.state, now()) if tightener.state else {})

    async def begin(request: Request) -> Response:
        try:
            said = await request.json()
            asked, careful = scope(str(said.get("scope", ""))), limits(said)
        except (ValueError, TypeError, AttributeError) as problem:
            return _refused(str(problem), 400)
        try:
            begun = await tightener.begin(asked, careful, bool(said.get("keepExceptions")))
        except NotNow as refused:
            plaintext = [msgspec.to_builtins(one) for one in refused.plaintext]
            return _refused(f"{asked} is not tightened", 409, reasons=list(refused.reasons), plaintext=plaintext)
        return JSONResponse(_shown(begun, now()), 201)

    async def abort(_: Request) -> Response:
        state = tightener.abort()
        return JSONResponse(_shown(state, now()) if state else {})

    async def report(request: Request) -> Response:
        try:
            first, last = (float(request.query_params.get(name, "nan")) for name in ("from", "to"))
        except ValueError:
            first = last = float("nan")
        if not 0 <= first <= last <= now() + _HOUR:
            return _refused("a report is of a period: from and to in Unix seconds, that has begun", 400)
        try:
            return JSONResponse(await reports(first, last))
        except NotSigned as problem:
            return _refused(str(problem), 501)

    return (
        Route("/weft/v1/mtls/status", status),
        Route("/weft/v1/mtls/report", report),
        Route("/weft/v1/mtls/tightening", tightening, methods=["GET"]),
        Route("/weft/v1/mtls/tightening", begin, methods=["POST"]),
        Route("/weft/v1/mtls/tightening", abort, methods=["DELETE"]),
    )


def _shown(of: Tightening, now: float) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(of)
    return {**said, "scope": str(of.scope), "over": of.phase.is_over, "elapsed": now - of.since}


def _refused(message: str, code: int, **more: Any) -> JSONResponse:
    return JSONResponse({"message": message, **more}, code)
