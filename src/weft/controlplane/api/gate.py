"""Stands before the API: who asks, whether they may, and the note of what they changed.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.controlplane.api import reviews
from weft.controlplane.api.caller import Caller, Unauthenticated, Verify
from weft.controlplane.api.change import Change
from weft.controlplane.api.difference import difference
from weft.controlplane.api.forbidden import forbidden, who
from weft.controlplane.api.responses import refusal
from weft.controlplane.api.roles import QUESTIONS, permits, permits_page
from weft.controlplane.api.status import Refused
from weft.controlplane.api.target import Target, target
from weft.resource.kind import Kind

Note = Callable[[Mapping[str, Any]], None]
BULK = "/weft/v1/apply"
"""Judged object by object, by `bulk.apply`."""

_OPEN = ("/livez", "/livez/ping", "/healthz", "/readyz")
_READS = ("GET", "HEAD", "OPTIONS")


class Gate:
    """Wraps the application. The request's state gets `caller`, and `changes`, a list to which what was written is added.

    `verify` knows the callers of tokens; without it there are none. `note` takes an entry for each change and each refusal.
    """

    def __init__(self, app: ASGIApp, kinds: Sequence[Kind], note: Note, verify: Verify | None = None) -> None:
        self._app, self._kinds, self._note, self._verify = app, kinds, note, verify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
            return
        state, answered = scope.setdefault("state", {}), {"status": 0}
        state["changes"] = []

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered["status"] = message["status"]
            await send(message)

        try:
            state["caller"] = await self._caller(scope)
            self._admit(scope, state["caller"])
        except Refused as refused:
            await refusal(refused)(scope, receive, watched)
        else:
            await self._app(scope, receive, watched)
        self._remember(scope, answered["status"])

    async def _caller(self, scope: Scope) -> Caller:
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._verify:
            try:
                return await self._verify(token.strip())
            except Unauthenticated as why:
                raise Refused(401, "Unauthorized", f"the token is not accepted: {why}") from None
        known: Caller = scope["state"].get("peer", Caller(""))
        if not known.name:
            raise Refused(401, "Unauthorized", "there is neither a client certificate nor a token that is accepted")
        return known

    def _admit(self, scope: Scope, caller: Caller) -> None:
        path, method = scope["path"], scope["method"]
        asked = self._target(path)
        if asked:
            verb = _verb(method, asked, QueryParams(scope["query_string"]))
            if not permits(caller.role, verb, asked.kind, asked.namespace or _itself(asked)):
                raise forbidden(caller, verb, asked.kind, asked.namespace or _itself(asked), asked.name)
        elif path != BULK and path not in reviews.PATHS and not permits_page(caller.role, method, path):
            raise Refused(403, "Forbidden", f"{who(caller)} may not {method} {path}")

    def _target(self, path: str) -> Target | None:
        match path.strip("/").split("/"):
            case ["api", version, *rest]:
                group = ""
            case ["apis", group, version, *rest]:
                pass
            case _:
                return None
        found = target(group, version, "/".join(rest), self._kinds)
        return found if isinstance(found, Target) else None

    def _remember(self, scope: Scope, status: int) -> None:
        """Reads, dry runs and questions of who may what leave no note; what changed nothing leaves one if it was refused."""
        dry = "dryRun=" in scope["query_string"].decode("latin-1")
        changes: list[Change] = scope["state"]["changes"]
        refused = status in (401, 403)
        asked_of_mesh = scope["path"].startswith("/weft/") and scope["path"] not in (BULK, *QUESTIONS) and status < 300
        if scope["method"] in _READS and not refused:
            return
        if scope["path"] in reviews.PATHS or dry or not (changes or refused or asked_of_mesh):
            return
        caller = scope["state"].get("caller") or Caller("")
        host, port = scope.get("client") or ("", 0)
        self._note(
            {
                "user": caller.name,
                "role": str(caller.role or ""),
                "groups": list(caller.groups),
                "address": f"{host}:{port}",
                "agent": Headers(scope=scope).get("user-agent", ""),
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "changes": [_change(one) for one in changes],
            }
        )


def _itself(asked: Target) -> str:
    """A namespace is an object of its own."""
    return asked.name if asked.kind.resource == "namespaces" else ""


def _verb(method: str, asked: Target, query: QueryParams) -> str:
    match method:
        case "POST":
            return "create"
        case "PUT":
            return "update"
        case "PATCH":
            return "patch"
        case "DELETE":
            return "delete" if asked.name else "deletecollection"
        case _ if asked.name:
            return "get"
        case _:
            return "watch" if query.get("watch", "").lower() in ("1", "true") else "list"


def _change(of: Change) -> dict[str, Any]:
    old = of.old.body if of.old else None
    place = {"resource": of.kind.resource, "namespace": of.key.namespace, "name": of.key.name, "outcome": of.outcome}
    return {**place, "diff": difference(of.kind.kind, old, of.new)}
