"""The headers by which Kubernetes' clients know a server that limits them itself: without them they wait between requests, so
that kubectl would need a minute for what takes seconds.

https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#diagnostics. The limit is that of `serve.Limits`:
beyond its connections a request is answered 503, to be made again.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NOBODY = b"00000000-0000-0000-0000-000000000001"  # there is one flow schema, and no object of it
HEADERS = ((b"x-kubernetes-pf-flowschema-uid", _NOBODY), (b"x-kubernetes-pf-prioritylevel-uid", _NOBODY))


class Fairness:
    """Wraps an application; every answer has the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        await self._app(scope, receive, marked)
