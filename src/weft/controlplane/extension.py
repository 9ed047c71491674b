"""What the API offers beyond Kubernetes' shape, below /weft/v1: edges, proxies and join tokens."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Json = Mapping[str, Any]
Rows = Callable[[], Iterable[Json]]
MintToken = Callable[[str, float], Awaitable[str]]

MAX_TOKEN_TTL = 24 * 3600.0


def routes(edges: Rows, proxies: Rows, mint: MintToken) -> tuple[Route, ...]:
    """The routes; each function gives what it is named for, as JSON values."""

    async def list_edges(_: Request) -> Response:
        return JSONResponse({"items": list(edges())})

    async def list_proxies(_: Request) -> Response:
        return JSONResponse({"items": list(proxies())})

    async def join_token(request: Request) -> Response:
        body = await request.json()
        node, ttl = str(body.get("node", "")), float(body.get("ttl", 600))
        if not node or not 0 < ttl <= MAX_TOKEN_TTL:
            return JSONResponse({"message": "a token needs a node and a ttl of at most a day, in seconds"}, 400)
        return JSONResponse({"token": await mint(node, ttl)}, 201)

    return (
        Route("/weft/v1/edges", list_edges),
        Route("/weft/v1/proxies", list_proxies),
        Route("/weft/v1/jointokens", join_token, methods=["POST"]),
    )
