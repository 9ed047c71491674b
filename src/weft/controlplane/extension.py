"""What the API offers beyond Kubernetes' shape, below /weft/v1: edges, proxies and join tokens."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Json = Mapping[str, Any]
Rows = Callable[[], Iterable[Json]]
Asked = Callable[[float | None, Json], Iterable[Json]]
"""Rows of the last so many seconds (None: all there are) that fit some words."""
MintToken = Callable[[str, float], Awaitable[str]]

MAX_TOKEN_TTL = 24 * 3600.0


def routes(edges: Rows, proxies: Rows, mint: MintToken, calls: Asked) -> tuple[Route, ...]:
    """The routes; each function gives what it is named for, as JSON values."""

    async def list_edges(_: Request) -> Response:
        return JSONResponse({"items": list(edges())})

    async def list_proxies(_: Request) -> Response:
        return JSONResponse({"items": list(proxies())})

    async def list_calls(request: Request) -> Response:
        asked = dict(request.query_params)
        try:
            within = float(asked.pop("within", "nan"))
        except ValueError:
            return JSONResponse({"message": "within is a number of seconds"}, 400)
        return JSONResponse({"items": list(calls(None if within != within else within, asked))})

    async def join_token(request: Request) -> Response:
        body = await request.json()
        node, ttl = str(body.get("node", "")), float(body.get("ttl", 600))
        if not node or not 0 < ttl <= MAX_TOKEN_TTL:
            return JSONResponse({"message": "a token needs a node and a ttl of at most a day, in seconds"}, 400)
        return JSONResponse({"token": await mint(node, ttl)}, 201)

    return (
        Route("/weft/v1/edges", list_edges),
        Route("/weft/v1/proxies", list_proxies),
        Route("/weft/v1/calls", list_calls),
        Route("/weft/v1/jointokens", join_token, methods=["POST"]),
    )
