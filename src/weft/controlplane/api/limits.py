"""No request body is larger than it may be: one that says so is refused unread, one that does not when it has grown too large."""

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.controlplane.api.status import Refused

MAX_BODY = 8 * 1024 * 1024
"""Bytes. Kubernetes' own limit for one object is 3 MiB; weft's apply sends many at once."""


class _TooLarge(Exception):
    """The body has grown beyond the limit while it was read."""


class BodyLimit:
    """Wraps an application; larger bodies are answered 413."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _declared(scope) > self._limit:
            await self._refuse(send)
            return
        left, begun = self._limit, False

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooLarge:
            if not begun:
                await self._refuse(send)

    async def _refuse(self, send: Send) -> None:
        message = f"Request entity too large: limit is {self._limit} bytes"
        body = msgspec.json.encode(Refused(413, "RequestEntityTooLarge", message).status())
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
