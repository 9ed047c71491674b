"""The calls of the Workload API, each answered for the workload that the caller's process belongs to.

A call without the header `workload.spiffe.io: true` is refused, so that no browser or confused proxy makes one. Streams are told
again whenever the certificate or whom to trust changes.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from weft.agent.certificates import Certificates
from weft.agent.identity import Identity
from weft.agent.refusal import Refused, Unreachable
from weft.agent.workload_api import answers
from weft.agent.workload_api.attestation import Applications
from weft.agent.workload_api.front import Front, is_supported
from weft.agent.workload_api.tokens import Tokens
from weft.proto import workload_pb2 as api

LOG = logging.getLogger(__name__)
SERVICE = "SpiffeWorkloadAPI"
HEADER = ("workload.spiffe.io", "true")
_GONE = 1.0  # seconds between two looks whether the caller's workload is still there
_OPTIONS = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 128 * 1024), ("grpc.max_concurrent_streams", 100))

Context = grpc.aio.ServicerContext[Any, Any]
Answer = TypeVar("Answer", bound=Message)


class TokenSigner(Protocol):
    """Who signs tokens for the node."""

    async def sign_jwt(self, spiffe_id: str, audiences: list[str]) -> Any:
        """A token of a workload of this node. Raises Refused or Unreachable."""
        ...


class WorkloadApi:
    """Serves all workloads of the node at one socket. `exists` says whether a workload is still one of the node's."""

    def __init__(
        self,
        socket: Path,
        certificates: Certificates,
        signer: TokenSigner,
        applications: Applications,
        exists: Callable[[str], bool],
    ) -> None:
        self._inner = socket.with_name(f"inner-{socket.name}")
        self._certificates = certificates
        self._tokens = Tokens(signer.sign_jwt)
        self._exists = exists
        self._front = Front(socket, self._inner, applications)

    async def run(self) -> None:
        """Serves until cancelled."""
        if not is_supported():
            LOG.warning("no workload api: this system does not say whose process connects")
            return
        self._inner.unlink(missing_ok=True)
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self._methods()),))
        server.add_insecure_port(f"unix:{self._inner}")
        await server.start()
        try:
            await self._front.run()
        finally:
            await server.stop(0)

    def _methods(self) -> dict[str, Any]:
        return {
            "FetchX509SVID": _stream(self._x509_svid, api.X509SVIDRequest),
            "FetchX509Bundles": _stream(self._x509_bundles, api.X509BundlesRequest),
            "FetchJWTSVID": _unary(self._jwt_svid, api.JWTSVIDRequest),
            "FetchJWTBundles": _stream(self._jwt_bundles, api.JWTBundlesRequest),
            "ValidateJWTSVID": _unary(self._validate_jwt_svid, api.ValidateJWTSVIDRequest),
        }

    # Who calls

    async def _caller(self, context: Context) -> str:
        """The caller's workload. Ends the call when it belongs to none, or when the header is missing."""
        if HEADER not in tuple(tuple(each) for each in context.invocation_metadata() or ()):
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "the metadata «workload.spiffe.io: true» is missing")
        found = self._front.caller(context.peer())
        if not found or not self._exists(found):
            await _abort(context, grpc.StatusCode.PERMISSION_DENIED, "no identity issued: no workload of this node")
        return found

    def _identity(self, workload: str) -> Identity | None:
        found = self._certificates.of(workload)
        return None if found is None or found.expired(time.time()) else found

    # The calls

    async def _x509_svid(self, _: api.X509SVIDRequest, context: Context) -> AsyncIterator[api.X509SVIDResponse]:
        def answer(workload: str) -> api.X509SVIDResponse | None:
            found = self._identity(workload)
            return answers.x509_svid(found, self._certificates.trusts) if found else None

        async for each in self._followed(context, answer):
            yield each

    async def _x509_bundles(self, _: api.X509BundlesRequest, context: Context) -> AsyncIterator[api.X509BundlesResponse]:
        async for each in self._followed(context, lambda _: answers.x509_bundles(self._certificates.trusts)):
            yield each

    async def _jwt_bundles(self, _: api.JWTBundlesRequest, context: Context) -> AsyncIterator[api.JWTBundlesResponse]:
        async for each in self._followed(context, lambda _: answers.jwt_bundles(self._certificates.trusts)):
            yield each

    async def _followed(self, context: Context, answer: Callable[[str], Answer | None]) -> AsyncIterator[Answer]:
        """The answer, and each other one that it comes to be; ends the call when the workload is gone."""
        workload = await self._caller(context)
        changed = asyncio.Event()
        changed.set()
        end = self._certificates.observe(workload, changed.set)
        told: Answer | None = None
        try:
            while self._exists(workload):
                if changed.is_set():
                    changed.clear()
                    if (now := answer(workload)) is not None and now != told:
                        told = now
                        yield now
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), _GONE)
        finally:
            end()
        await _abort(context, grpc.StatusCode.PERMISSION_DENIED, "the workload is not one of this node any more")

    async def _jwt_svid(self, request: api.JWTSVIDRequest, context: Context) -> api.JWTSVIDResponse:
        workload = await self._caller(context)
        if not request.audience or not all(request.audience):
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "an audience must be specified")
        identity = self._identity(workload)
        if identity is None:
            await _abort(context, grpc.StatusCode.UNAVAILABLE, "the workload has no valid identity yet")
        if request.spiffe_id and request.spiffe_id != identity.uri:
            await _abort(context, grpc.StatusCode.PERMISSION_DENIED, "the workload has another identity")
        try:
            token = await self._tokens.token(identity.uri, tuple(request.audience))
        except Refused as problem:
            code = grpc.StatusCode.INVALID_ARGUMENT if "INVALID_ARGUMENT" in str(problem) else grpc.StatusCode.PERMISSION_DENIED
            await _abort(context, code, str(problem))
        except Unreachable as problem:
            await _abort(context, grpc.StatusCode.UNAVAILABLE, str(problem))
        return api.JWTSVIDResponse(svids=[api.JWTSVID(spiffe_id=identity.uri, svid=token)])

    async def _validate_jwt_svid(self, request: api.ValidateJWTSVIDRequest, context: Context) -> api.ValidateJWTSVIDResponse:
        await self._caller(context)
        if not request.audience or not request.svid:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "an audience and a token must be specified")
        try:
            return answers.validated(request.svid, request.audience, self._certificates.trusts, time.time())
        except answers.NotValid as problem:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(problem))


def _stream(method: Callable[[Any, Context], AsyncIterator[Message]], request: type[Message]) -> Any:
    return grpc.unary_stream_rpc_method_handler(method, request.FromString, _serialized)


def _unary(method: Callable[[Any, Context], Awaitable[Message]], request: type[Message]) -> Any:
    return grpc.unary_unary_rpc_method_handler(method, request.FromString, _serialized)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


async def _abort(context: Context, code: grpc.StatusCode, details: str) -> NoReturn:
    await context.abort(code, details)
    raise AssertionError("abort returned")
