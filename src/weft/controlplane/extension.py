"""What the API offers beyond Kubernetes' shape, below /weft/v1: edges, proxies and join tokens."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from weft.controlplane.evidence import Evidence
from weft.resource import names

Json = Mapping[str, Any]
Rows = Callable[[], Iterable[Json]]
Asked = Callable[[float | None, Json], Iterable[Json]]
"""Rows of the last so many seconds (None: all there are) that fit some words."""
Whom = str | tuple[str, str]
"""Whom a token is for: a node, or a workload's namespace and service account."""
MintToken = Callable[[Whom, float], Awaitable[str]]
SendAway = Callable[[str, str], Awaitable[None]]


class PolicyTest(msgspec.Struct, frozen=True):
    """Policies to be tried on recorded calls. `replace`: in place of all others of their namespaces. `within` is in seconds."""

    objects: list[dict[str, Any]]
    replace: bool = False
    within: float | None = None


MAX_TOKEN_TTL = 24 * 3600.0


def routes(edges: Rows, proxies: Rows, calls: Asked, evidence: Evidence, alarms: Rows) -> tuple[Route, ...]:
    """The routes; each function gives what it is named for, as JSON values."""

    async def list_edges(_: Request) -> Response:
        return JSONResponse({"items": list(edges())})

    async def list_proxies(_: Request) -> Response:
        return JSONResponse({"items": list(proxies())})

    async def list_calls(request: Request) -> Response:
        asked = dict(request.query_params)
        return JSONResponse({"items": list(calls(_within(request), asked))})

    async def test_policies(request: Request) -> Response:
        try:
            asked = msgspec.json.decode(await request.body(), type=PolicyTest)
        except msgspec.DecodeError as problem:
            return JSONResponse({"message": f"not a test of policies: {problem}"}, 400)
        return JSONResponse(evidence.tested(asked.objects, asked.replace, asked.within))

    async def shadows(request: Request) -> Response:
        asked = request.query_params
        return JSONResponse(evidence.shadows(asked.get("namespace", ""), asked.get("workload", ""), _within(request)))

    async def list_alarms(_: Request) -> Response:
        return JSONResponse({"items": list(alarms())})

    async def suggestion(request: Request) -> Response:
        asked = request.query_params
        whom = (asked.get("namespace", ""), asked.get("workload", ""))
        return JSONResponse(evidence.suggested(*whom, _within(request), asked.get("defaultDeny") == "true"))

    return (
        Route("/weft/v1/edges", list_edges),
        Route("/weft/v1/proxies", list_proxies),
        Route("/weft/v1/calls", list_calls),
        Route("/weft/v1/policies/suggestion", suggestion),
        Route("/weft/v1/policies/shadow", shadows),
        Route("/weft/v1/policies/alarms", list_alarms),
        Route("/weft/v1/policies/test", test_policies, methods=["POST"]),
    )


def join_token_routes(mint: MintToken, send_away: SendAway) -> tuple[Route, ...]:
    """The routes for those who let others join."""

    async def join_token(request: Request) -> Response:
        body = await _object(request)
        whom, ttl = _whom(body), body.get("ttl", 600)
        if not whom or not isinstance(ttl, int | float) or not 0 < ttl <= MAX_TOKEN_TTL:
            return JSONResponse(
                {"message": "a token needs a node or a service account, and a ttl of at most a day, in seconds"}, 400
            )
        try:
            return JSONResponse({"token": await mint(whom, float(ttl))}, 201)
        except ValueError as problem:
            return JSONResponse({"message": str(problem)}, 400)

    async def revoked(request: Request) -> Response:
        whom = _whom(await _object(request))
        if not isinstance(whom, tuple):
            return JSONResponse({"message": "whom: a namespace and a service account"}, 400)
        await send_away(*whom)
        return JSONResponse({})

    return (
        Route("/weft/v1/jointokens", join_token, methods=["POST"]),
        Route("/weft/v1/jointokens/revoked", revoked, methods=["POST"]),
    )


async def _object(request: Request) -> Json:
    try:
        return msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.DecodeError:
        raise HTTPException(400, "the body is a JSON object") from None


def _whom(body: Json) -> Whom | None:
    node, namespace, account = (body.get(name, "") for name in ("node", "namespace", "serviceAccount"))
    if isinstance(node, str) and node and not account:
        return node
    if isinstance(namespace, str) and isinstance(account, str) and not node:
        return (namespace, account) if not names.label(namespace) and not names.subdomain(account) else None
    return None


def _within(request: Request) -> float | None:
    """The seconds that a question is about; None: all that is remembered."""
    try:
        return float(request.query_params["within"]) if "within" in request.query_params else None
    except ValueError:
        raise HTTPException(400, "within is a number of seconds") from None
