"""The application: paths to functions, requests to their arguments, answers to JSON. It decides nothing itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from weft.controlplane.api import bulk, discovery, lifecycle, media, openapi, patch, protobuf, requests, reviews, watching
from weft.controlplane.api.admission import Admit, admit_all
from weft.controlplane.api.caller import Caller, Verify
from weft.controlplane.api.change import Change, Options, Resources
from weft.controlplane.api.fairness import Fairness
from weft.controlplane.api.gate import Gate, Note
from weft.controlplane.api.limits import MAX_BODY, BodyLimit
from weft.controlplane.api.requests import Page, Wanted, revision_number
from weft.controlplane.api.responses import answer, refusal
from weft.controlplane.api.selector import matcher
from weft.controlplane.api.status import Cause, Refused, bad_request, success
from weft.controlplane.api.table import table
from weft.controlplane.api.target import Target, target
from weft.controlplane.api.unserved import UNSERVED, Unserved
from weft.resource.kind import Kind
from weft.resource.kinds import KINDS
from weft.resource.yaml_document import documents
from weft.store.store import Json, Store

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KUBERNETES = (1, 33)
"""The version of Kubernetes whose API this has the shape of; kubectl compares it with its own."""


async def always_ready() -> str:
    """Nothing is missing."""
    return ""


def version(of_weft: str) -> Json:
    """What `/version` answers: a version of Kubernetes, since clients compare it, with weft's own in it."""
    major, minor = KUBERNETES
    return {"major": str(major), "minor": str(minor), "gitVersion": f"v{major}.{minor}.0+weft.{of_weft}", "platform": "weft"}


def application(
    store: Store,
    *,
    admit: Admit = admit_all,
    kinds: Sequence[Kind] = KINDS,
    version: Json = version("0"),
    ready: Callable[[], Awaitable[str]] = always_ready,
    extensions: Sequence[BaseRoute] = (),
    stopping: asyncio.Event | None = None,
    max_body: int = MAX_BODY,
    note: Note | None = None,
    verify: Verify | None = None,
) -> Starlette:
    """The ASGI application over `store`. `ready` says what is missing, or nothing. `extensions` are routes of others, below
    `/weft/v1`. `stopping`, when set, ends all watches, so that connections can close. With `note` only
    callers with a role are let in, by the certificate that the state of a request has as `peer` (see `serve`) or a token that
    `verify` knows, and what they changed is noted (see `gate`)."""
    api = Api(Resources(store, kinds, admit), version, ready, stopping or asyncio.Event())
    routes = [*extensions, *api.routes()]
    handlers: Mapping[Any, Any] = {Refused: _refused, HTTPException: _http_error, Exception: _bug}
    around = [Middleware(Fairness), Middleware(BodyLimit, limit=max_body)]
    if note:
        around.append(Middleware(Gate, kinds=kinds, note=note, verify=verify))
    return Starlette(routes=routes, exception_handlers=handlers, middleware=around)


async def _refused(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Refused)
    return refusal(problem)


async def _http_error(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    reason = {404: "NotFound", 405: "MethodNotAllowed"}.get(problem.status_code, "Unknown")
    message = "the server could not find the requested resource" if problem.status_code == 404 else problem.detail
    return refusal(Refused(problem.status_code, reason, message))


async def _bug(_: Request, problem: Exception) -> Response:
    """The exception itself goes on to the server, which logs it with its traceback."""
    return refusal(Refused(500, "InternalError", f"Internal error occurred: {type(problem).__name__}: see the log of weft serve"))


class Api:
    """The functions behind the paths."""

    def __init__(
        self, resources: Resources, version: Json, ready: Callable[[], Awaitable[str]], stopping: asyncio.Event
    ) -> None:  # fmt: skip
        self._resources = resources
        self._version = version
        self._ready = ready
        self._stopping = stopping
        self._documents = openapi.Documents(resources.kinds, str(version["gitVersion"]))

    def routes(self) -> list[Route]:
        """What is served, path by path."""
        return [
            Route("/version", self.version),
            Route("/healthz", self.live),
            Route("/livez", self.live),
            Route("/livez/ping", self.live),
            Route("/readyz", self.ready),
            Route("/openapi/v2", self.openapi_v2),
            Route("/openapi/v3", self.openapi_v3),
            Route("/openapi/v3/{path:path}", self.openapi_v3_document),
            Route("/weft/v1/apply", self.apply, methods=["POST"]),
            Route("/api", self.core),
            Route("/apis", self.groups),
            Route(_DEFINITIONS, self.definitions),
            *(Route(path, self.review, methods=["POST"]) for path in reviews.PATHS),
            Route("/apis/{group}", self.group),
            Route("/api/{version}", self.group_version),
            Route("/apis/{group}/{version}", self.group_version),
            Route("/api/{version}/{rest:path}", self.resource, methods=METHODS),
            Route("/apis/{group}/{version}/{rest:path}", self.resource, methods=METHODS),
        ]

    async def version(self, _: Request) -> Response:
        """`/version`."""
        return answer(self._version)

    async def live(self, _: Request) -> Response:
        """`/livez`, `/healthz`: the process answers."""
        return PlainTextResponse("ok")

    async def ready(self, _: Request) -> Response:
        """`/readyz`: the process does its work, or what is missing."""
        missing = await self._ready()
        return PlainTextResponse(f"not ready: {missing}" if missing else "ok", 503 if missing else 200)

    async def openapi_v2(self, request: Request) -> Response:
        """`/openapi/v2`, which kubectl wants as a protobuf message."""
        return self._documents.v2(request.headers.get("accept", ""))

    async def openapi_v3(self, _: Request) -> Response:
        """`/openapi/v3`: the list of documents."""
        return answer(self._documents.v3())

    async def openapi_v3_document(self, request: Request) -> Response:
        """`/openapi/v3/apis/GROUP/VERSION`."""
        document = self._documents.v3_document(request.path_params["path"])
        if not document:
            raise HTTPException(404)
        return answer(document)

    async def apply(self, request: Request) -> Response:
        """`/weft/v1/apply`."""
        done = await bulk.apply(self._resources, await request.body(), _caller(request), _noted(request))
        return answer(done.body(), 200 if done.applied else 422)

    async def core(self, request: Request) -> Response:
        """`/api`."""
        host, port = request.scope.get("server") or ("", 0)
        return self._discovery(request, True, discovery.core_versions(f"{host}:{port}"))

    async def groups(self, request: Request) -> Response:
        """`/apis`."""
        return self._discovery(request, False, discovery.groups(self._resources.kinds, UNSERVED))

    def _discovery(self, request: Request, core: bool, plain: Json) -> Response:
        versions = [lambda asked, each=each: discovery.aggregated(asked, each) for each in discovery.AGGREGATED]
        choice = media.chosen(request.headers.get("accept", ""), [*versions, media.json])
        if choice == len(versions):
            return answer(plain)
        document, media_type = discovery.aggregate(core, discovery.AGGREGATED[choice], self._resources.kinds, UNSERVED)
        return answer(document, media_type=media_type)

    async def group(self, request: Request) -> Response:
        """`/apis/GROUP`."""
        return _found(discovery.group(request.path_params["group"], self._resources.kinds, UNSERVED))

    async def group_version(self, request: Request) -> Response:
        """`/api/v1`, `/apis/GROUP/VERSION`."""
        group, asked = request.path_params.get("group", ""), request.path_params["version"]
        return _found(discovery.resources(group, asked, self._resources.kinds, UNSERVED))

    async def definitions(self, _: Request) -> Response:
        """None: kubectl looks a kind that it does not know up here, and gives no clear answer when it cannot."""
        kind = {"kind": "CustomResourceDefinitionList", "apiVersion": "apiextensions.k8s.io/v1"}
        return answer({**kind, "metadata": {"resourceVersion": ""}, "items": []})

    async def review(self, request: Request) -> Response:
        """The reviews of what the client may do."""
        return answer(reviews.review(await _body(request), _caller(request), self._resources.kinds), 201)

    async def resource(self, request: Request) -> Response:
        """Everything below a group's version: objects and collections."""
        path = request.path_params
        asked = target(path.get("group", ""), path["version"], path["rest"], self._resources.kinds, UNSERVED)
        match asked:
            case None:
                raise HTTPException(404)
            case Unserved() if request.method == "GET" and _pruning(request):
                return answer(asked.none())
            case Unserved():
                raise asked.refusal()
            case Target(name=""):
                return await self._collection(request, asked)
            case _:
                return await self._object(request, asked)

    async def _collection(self, request: Request, asked: Target) -> Response:
        match request.method:
            case "GET" if _flag(request, "watch"):
                return await self._watch(request, asked)
            case "GET":
                return await self._list(request, asked)
            case "POST":
                done = await requests.create(self._resources, asked, await _body(request), _options(request, asked))
                return self._one(request, asked, done.body, done.code, done.warnings)
            case "DELETE":
                options = _options(request, asked, _delete_options(await request.body()))
                gone = await requests.delete_all(self._resources, asked, _matcher(request), options)
                return answer(_listed(asked, Page(gone, await self._resources.store.revision())))
        raise HTTPException(405, f"{request.method} is not for a collection")

    async def _object(self, request: Request, asked: Target) -> Response:
        match request.method:
            case "GET":
                return self._one(request, asked, await requests.get(self._resources, asked))
            case "PUT":
                done = await requests.replace(self._resources, asked, await _body(request), _options(request, asked))
                return self._one(request, asked, done.body, warnings=done.warnings)
            case "PATCH":
                sent = _media_type(request)
                done = await requests.patch(self._resources, asked, sent, await _body(request), _options(request, asked))
                return self._one(request, asked, done.body, done.code, done.warnings)
            case "DELETE" if not asked.subresource:
                return await self._delete(request, asked)
        raise HTTPException(405, f"{request.method} is not for an object")

    async def _delete(self, request: Request, asked: Target) -> Response:
        said = _delete_options(await request.body())
        preconditions = said.get("preconditions") or {}
        done = await requests.delete(self._resources, asked, preconditions, _options(request, asked, said))
        if done.code == 202 or asked.kind.resource == "services":  # for a Service Kubernetes answers with what went
            return answer(lifecycle.served(done.body, asked.api_version), warnings=done.warnings)
        return answer(success(asked.kind, asked.name, done.body["metadata"].get("uid", "")), warnings=done.warnings)

    async def _list(self, request: Request, asked: Target) -> Response:
        query = request.query_params
        wanted = Wanted(
            _matcher(request),
            _number(request, "limit"),
            query.get("continue", ""),
            query.get("resourceVersion", ""),
            query.get("resourceVersionMatch", ""),
        )
        found = await requests.page(self._resources, asked, wanted)
        if self._wants_table(request):
            bodies = [lifecycle.served(body, asked.api_version) for body in found.bodies]
            return answer(table(asked.kind, bodies, _list_meta(found), self._resources.now(), include=_include(request)))
        return answer(_listed(asked, found))

    async def _watch(self, request: Request, asked: Target) -> Response:
        tabular, include = self._wants_table(request), _include(request)

        def shown(body: Json, headed: bool) -> Any:
            one = lifecycle.served(body, asked.api_version)
            if not tabular:
                return one
            meta = {"resourceVersion": body["metadata"]["resourceVersion"]}
            return table(asked.kind, [one], meta, self._resources.now(), include=include, headed=headed)

        watch = watching.Watch(
            asked,
            _matcher(request),
            shown,
            request.query_params.get("resourceVersion", ""),
            float(_number(request, "timeoutSeconds") or 1800),
            _flag(request, "allowWatchBookmarks"),
            _flag(request, "sendInitialEvents"),
        )
        first, since = await watching.start(self._resources, watch)
        lines: AsyncIterator[bytes] = watching.lines(self._resources, watch, self._stopping, first=first, since=since)
        return StreamingResponse(lines, media_type="application/json")

    def _one(
        self, request: Request, asked: Target, body: Json, code: int = 200, warnings: Sequence[str] = ()
    ) -> Response:  # fmt: skip
        one = lifecycle.served(body, asked.api_version)
        if self._wants_table(request):
            meta = {"resourceVersion": one["metadata"].get("resourceVersion", "")}
            now = self._resources.now()
            return answer(table(asked.kind, [one], meta, now, include=_include(request)), code, warnings=warnings)
        return answer(one, code, warnings=warnings)

    def _wants_table(self, request: Request) -> bool:
        return media.chosen(request.headers.get("accept", ""), [media.table, media.json]) == 0


def _pruning(request: Request) -> bool:
    """Whether a program asks for all objects with a label, as `kubectl apply --prune` does of every kind it knows."""
    return "labelSelector" in request.query_params and "limit" not in request.query_params


def _found(document: Json | None) -> Response:
    if document is None:
        raise HTTPException(404)
    return answer(document)


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() in ("1", "true")


def _number(request: Request, name: str) -> int:
    return revision_number(request.query_params.get(name, ""))


def _include(request: Request) -> str:
    return request.query_params.get("includeObject", "Metadata")


def _matcher(request: Request) -> Any:
    return matcher(request.query_params.get("labelSelector", ""), request.query_params.get("fieldSelector", ""))


def _options(request: Request, asked: Target, said: Json | None = None) -> Options:
    dry_run = request.query_params.getlist("dryRun") or (said or {}).get("dryRun") or []
    if dry_run and list(dry_run) != ["All"]:
        raise bad_request(f"dryRun {dry_run!r} is not supported: only All is")
    validation = request.query_params.get("fieldValidation") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        raise bad_request(f"fieldValidation {validation!r} is none of Strict, Warn, Ignore")
    manager = request.query_params.get("fieldManager") or ""
    if len(manager) > 128 or not manager.isprintable():
        raise bad_request("fieldManager: at most 128 printable characters")
    if not manager and _media_type(request) == patch.APPLY:
        cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
        raise Refused(422, "Invalid", f'PatchOptions.meta.k8s.io "" is invalid: {cause.field}: {cause.message}', causes=[cause])
    manager = manager or request.headers.get("user-agent", "").partition("/")[0][:128] or "unknown"
    return Options(
        bool(dry_run),
        validation,
        manager=manager,
        api_version=asked.api_version,
        force=_flag(request, "force"),
        noted=_noted(request),
        allow=frozenset(request.query_params.getlist("allow")),
    )


def _noted(request: Request) -> Callable[[Sequence[Change]], None]:
    """Where the gate, if there is one, keeps what was changed."""
    changes: list[Change] = getattr(request.state, "changes", [])
    return changes.extend


def _caller(request: Request) -> Caller:
    """Whom the gate has let in; without one the API is open to every peer."""
    found = getattr(request.state, "caller", None) or getattr(request.state, "peer", None)
    return found if isinstance(found, Caller) else Caller("", ("system:masters",))


async def _body(request: Request) -> Any:
    """The body as JSON, or as YAML when it says so."""
    sent, media_type = await request.body(), _media_type(request)
    if media_type == protobuf.MEDIA_TYPE:
        return protobuf.decoded(sent)
    try:
        if media_type in ("application/yaml", patch.APPLY) and not sent.lstrip().startswith(b"{"):
            return _yaml(sent.decode())
        return msgspec.json.decode(sent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise bad_request(f"the body cannot be read: {problem}") from None


def _yaml(sent: str) -> Any:
    """The one resource in `sent`. Raises Refused (400)."""
    found, wrong = documents(sent, "")
    if wrong or len(found) != 1:
        raise bad_request(f"the body cannot be read: {wrong[0].message if wrong else 'it is not one object'}")
    return found[0].raw


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip()


def _delete_options(sent: bytes) -> Json:
    try:
        said = protobuf.decoded(sent) if sent.startswith(protobuf.MAGIC) else msgspec.json.decode(sent or b"{}")
    except msgspec.DecodeError as problem:
        raise bad_request(f"the body cannot be read: {problem}") from None
    if not isinstance(said, Mapping):
        raise bad_request("the body is not DeleteOptions")
    return said


def _list_meta(found: Page) -> dict[str, Any]:
    meta: dict[str, Any] = {"resourceVersion": str(found.revision)}
    if found.token:
        meta |= {"continue": found.token, "remainingItemCount": found.remaining}
    return meta


def _listed(asked: Target, found: Page) -> dict[str, Any]:
    items = [lifecycle.served(body, asked.api_version) for body in found.bodies]
    return {"kind": f"{asked.kind.kind}List", "apiVersion": asked.api_version, "metadata": _list_meta(found), "items": items}
