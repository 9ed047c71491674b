"""The rate limit service of Envoy, on a Unix socket.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/ratelimit/v3/rls.proto
"""

import logging
from typing import Any

import grpc
from envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse
from envoy.service.ratelimit.v3.rls_pb2_grpc import add_RateLimitServiceServicer_to_server

from weft.limiter.answer import answer, asked
from weft.limiter.store import Store, Unavailable
from weft.limiter.tally import Tally

_log = logging.getLogger("weft.limiter")


class RateLimitServicer:
    """Answers questions from a store."""

    def __init__(self, store: Store, tally: Tally) -> None:
        self._store = store
        self._tally = tally

    async def ShouldRateLimit(
        self, request: RateLimitRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> RateLimitResponse:
        """Whether a request may pass."""
        try:
            questions = asked(request)
        except ValueError as problem:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(problem))
        try:
            decisions, now = await self._store.take(tuple(one.bucket for one in questions), max(1, request.hits_addend))
        except Unavailable as problem:
            self._tally.unanswered(str(problem))
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(problem))
        found = tuple(zip(questions, decisions, strict=True))
        for one, made in found:
            if not made.passes:
                self._tally.refused(one.name, shadow=one.bucket.shadow)
        return answer(found, now)


async def started(socket: str, servicer: RateLimitServicer) -> "grpc.aio.Server":
    """The server, listening at the path `socket`."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    add_RateLimitServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    _log.info("event=ready socket=%s", socket)
    return server
