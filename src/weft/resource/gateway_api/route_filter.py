"""The filters of routes: what is done to a request on its way.

https://gateway-api.sigs.k8s.io/reference/spec/#httproutefilter
"""

from typing import Annotated, Literal

from msgspec import Meta

from weft.resource.field import Int32, Message, PortNumber, UInt32, unsupported
from weft.resource.gateway_api.reference import BackendObjectReference, Fraction, LocalObjectReference

_FAILS = unsupported("requests of the rule are answered with an error")


class HttpHeader(Message, frozen=True, kw_only=True):
    """A header and its value."""

    name: str
    value: str


class HttpHeaderFilter(Message, frozen=True, kw_only=True):
    """`set` replaces, `add` appends, `remove` drops."""

    set: tuple[HttpHeader, ...] = ()
    add: tuple[HttpHeader, ...] = ()
    remove: tuple[str, ...] = ()


class HttpRequestMirrorFilter(Message, frozen=True, kw_only=True):
    """A copy of the requests, of all or of a part; the answers are dropped."""

    backend_ref: BackendObjectReference
    percent: Annotated[int, Meta(ge=0, le=100)] | None = None
    fraction: Fraction | None = None


class HttpPathModifier(Message, frozen=True, kw_only=True):
    """A new path, or a new beginning of it."""

    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    replace_full_path: str | None = None
    replace_prefix_match: str | None = None


class HttpRequestRedirectFilter(Message, frozen=True, kw_only=True):
    """Answer with a redirect. Without a port: that of the scheme, else the listener's."""

    scheme: Literal["http", "https"] | None = None
    hostname: str = ""
    path: HttpPathModifier | None = None
    port: PortNumber | None = None
    status_code: UInt32 | None = None


class HttpUrlRewriteFilter(Message, frozen=True, kw_only=True):
    """Change host or path before forwarding."""

    hostname: str = ""
    path: HttpPathModifier | None = None


class HttpCorsFilter(Message, frozen=True, kw_only=True):
    """https://gateway-api.sigs.k8s.io/reference/spec/#httpcorsfilter. `maxAge` is in seconds."""

    allow_origins: tuple[str, ...] = ()
    allow_credentials: bool | None = None
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: Int32 = 5


class GrpcAuthConfig(Message, frozen=True, kw_only=True):
    """What a gRPC authorization service is sent."""

    allowed_headers: tuple[str, ...] = ()


class HttpAuthConfig(Message, frozen=True, kw_only=True):
    """What an HTTP authorization service is sent."""

    path: str = ""
    allowed_headers: tuple[str, ...] = ()
    allowed_response_headers: tuple[str, ...] = ()


class ForwardBodyConfig(Message, frozen=True, kw_only=True):
    """How much of a request's body is sent."""

    max_size: UInt32 = 0


class HttpExternalAuthFilter(Message, frozen=True, kw_only=True):
    """Ask another service whether a request is allowed."""

    protocol: Literal["HTTP", "GRPC"]
    backend_ref: BackendObjectReference
    grpc: GrpcAuthConfig | None = None
    http: HttpAuthConfig | None = None
    forward_body: ForwardBodyConfig | None = None


class HttpRouteFilter(Message, frozen=True, kw_only=True):
    """One filter, of the kind that `type` names."""

    type: Literal[
        "RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "RequestRedirect", "URLRewrite", "CORS",
        "ExternalAuth", "ExtensionRef",
    ]  # fmt: skip
    request_header_modifier: HttpHeaderFilter | None = None
    response_header_modifier: HttpHeaderFilter | None = None
    request_mirror: HttpRequestMirrorFilter | None = None
    request_redirect: HttpRequestRedirectFilter | None = None
    url_rewrite: HttpUrlRewriteFilter | None = None
    cors: HttpCorsFilter | None = None
    external_auth: Annotated[HttpExternalAuthFilter | None, _FAILS] = None
    extension_ref: Annotated[LocalObjectReference | None, _FAILS] = None


class GrpcRouteFilter(Message, frozen=True, kw_only=True):
    """One filter, of the kind that `type` names."""

    type: Literal["RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef"]
    request_header_modifier: HttpHeaderFilter | None = None
    response_header_modifier: HttpHeaderFilter | None = None
    request_mirror: HttpRequestMirrorFilter | None = None
    extension_ref: Annotated[LocalObjectReference | None, _FAILS] = None
