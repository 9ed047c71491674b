"""GRPCRoute: which calls of gRPC methods go where."""

from typing import Annotated, Literal

from msgspec import field

from weft.resource.field import UNSUPPORTED, Message, PortNumber
from weft.resource.gateway_api.http_route import HttpNamedMatch, SessionPersistence
from weft.resource.gateway_api.reference import ParentReference, Weight
from weft.resource.gateway_api.route_filter import GrpcRouteFilter


class GrpcMethodMatch(Message, frozen=True, kw_only=True):
    """A service, a method, or both."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    service: str = ""
    method: str = ""


class GrpcRouteMatch(Message, frozen=True, kw_only=True):
    """Conditions that must all hold."""

    method: GrpcMethodMatch | None = None
    headers: tuple[HttpNamedMatch, ...] = ()


class GrpcBackendRef(Message, frozen=True, kw_only=True):
    """A share of the calls, with filters of its own."""

    group: str = ""
    kind: str = "Service"
    name: str
    namespace: str = ""
    port: PortNumber | None = None
    weight: Weight = 1
    filters: tuple[GrpcRouteFilter, ...] = ()


class GrpcRouteRule(Message, frozen=True, kw_only=True):
    """What is done with calls that one of `matches` fits; none: every call."""

    name: str = ""
    matches: tuple[GrpcRouteMatch, ...] = ()
    filters: tuple[GrpcRouteFilter, ...] = ()
    backend_refs: tuple[GrpcBackendRef, ...] = ()
    session_persistence: SessionPersistence | None = None


class GrpcRoute(Message, frozen=True, kw_only=True):
    """https://gateway-api.sigs.k8s.io/reference/spec/#grpcroute"""

    parent_refs: tuple[ParentReference, ...] = ()
    use_default_gateways: Annotated[Literal["All", "None"] | None, UNSUPPORTED] = None
    hostnames: tuple[str, ...] = ()
    rules: tuple[GrpcRouteRule, ...] = field(default=(GrpcRouteRule(),))
