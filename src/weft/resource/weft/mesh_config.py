"""MeshConfig: settings of the whole mesh that hold at once. The fields are those of Istio's MeshConfig, as far as they are there.
https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from weft.resource.field import Duration, Message, PortNumber, deprecated

Texts = tuple[str, ...]
Service = Annotated[str, Meta(description="A host of the mesh, such as authz.auth.svc.cluster.local; also NAMESPACE/HOST.")]
Status = Annotated[str, Meta(description="The answer's status when nobody answers and failOpen is not set: else 403.")]


class RequestBody(Message, frozen=True, kw_only=True):
    """How much of a request's body is shown to the authorizer."""

    max_request_bytes: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    allow_partial_message: bool = False
    pack_as_bytes: bool = False


class EnvoyExtAuthzHttp(Message, frozen=True, kw_only=True):
    """An authorizer that is asked over HTTP: 200 lets a request pass, anything else is the answer that the caller gets."""

    service: Service
    port: PortNumber
    timeout: Duration | None = None
    path_prefix: str = ""
    fail_open: bool = False
    clear_route_cache: bool = False
    status_on_error: Status = ""
    include_headers_in_check: Annotated[Texts, deprecated("includeRequestHeadersInCheck")] = ()
    include_request_headers_in_check: Texts = ()
    include_additional_headers_in_check: Mapping[str, str] = {}
    include_request_body_in_check: RequestBody | None = None
    headers_to_upstream_on_allow: Texts = ()
    headers_to_downstream_on_deny: Texts = ()
    headers_to_downstream_on_allow: Texts = ()


class EnvoyExtAuthzGrpc(Message, frozen=True, kw_only=True):
    """An authorizer that speaks Envoy's gRPC API (envoy.service.auth.v3.Authorization)."""

    service: Service
    port: PortNumber
    timeout: Duration | None = None
    fail_open: bool = False
    clear_route_cache: bool = False
    status_on_error: Status = ""
    include_request_body_in_check: RequestBody | None = None


class ExtensionProvider(Message, frozen=True, kw_only=True):
    """Somebody whom policies may name."""

    name: str
    envoy_ext_authz_http: EnvoyExtAuthzHttp | None = None
    envoy_ext_authz_grpc: EnvoyExtAuthzGrpc | None = None


class PathNormalization(Message, frozen=True, kw_only=True):
    """How paths are rewritten before policies and routes see them. Except under DEFAULT policies compare them literally."""

    normalization: Literal["DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"] = "DEFAULT"


class MeshConfig(Message, frozen=True, kw_only=True):
    """Settings of the mesh: the oldest one of the root namespace holds."""

    extension_providers: tuple[ExtensionProvider, ...] = ()
    path_normalization: PathNormalization | None = None
    explain_denials: Annotated[
        bool | None, Meta(description="Whether answers to refused requests name the rule in x-weft-denied-by, too: unless false.")
    ] = None
