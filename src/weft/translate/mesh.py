"""The mesh that a set of resources says, and the next mesh after a change.

`advance` is a function of the set of resources alone: the same set gives the same mesh, whatever came first. It looks only
at what a change touches; mappings that change are copied shallowly, the others are shared with the last mesh.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from weft.finding import Finding
from weft.model.mesh import Change, Mesh, Settings
from weft.model.workload import Proxy
from weft.ref import Ref
from weft.resource.core.config_map import ConfigMap
from weft.resource.core.endpoint_slice import EndpointSlice
from weft.resource.core.namespace import Namespace
from weft.resource.core.secret import Secret
from weft.resource.core.service import Service
from weft.resource.gateway_api.backend_tls_policy import BackendTlsPolicy
from weft.resource.gateway_api.gateway import Gateway as ApiGateway
from weft.resource.gateway_api.gateway_class import GatewayClass
from weft.resource.gateway_api.grpc_route import GrpcRoute
from weft.resource.gateway_api.http_route import HttpRoute
from weft.resource.gateway_api.listener_set import ListenerSet
from weft.resource.gateway_api.reference_grant import ReferenceGrant
from weft.resource.gateway_api.tcp_route import TcpRoute
from weft.resource.gateway_api.tls_route import TlsRoute
from weft.resource.gateway_api.udp_route import UdpRoute
from weft.resource.istio.authorization_policy import AuthorizationPolicy
from weft.resource.istio.destination_rule import DestinationRule
from weft.resource.istio.envoy_filter import EnvoyFilter
from weft.resource.istio.gateway import Gateway
from weft.resource.istio.peer_authentication import PeerAuthentication
from weft.resource.istio.request_authentication import RequestAuthentication
from weft.resource.istio.service_entry import ServiceEntry
from weft.resource.istio.sidecar import Sidecar
from weft.resource.istio.virtual_service import VirtualService
from weft.resource.istio.workload_entry import WorkloadEntry
from weft.resource.resource import Resource
from weft.resource.weft.mesh_config import MeshConfig
from weft.resource.weft.oidc_login import OidcLogin
from weft.resource.weft.rate_limit import RateLimit
from weft.resource.weft.traffic_defaults import TrafficDefaults
from weft.resource.weft.trust_domain import TrustDomain
from weft.translate.authentication import key_set, request_authentication
from weft.translate.authorization import authorization_policy
from weft.translate.credentials import config_map, secret
from weft.translate.delegation import DelegationDraft
from weft.translate.endpoint_slices import endpoint_slice
from weft.translate.endpoints import workload_entry
from weft.translate.envoy_filters import envoy_filter
from weft.translate.gateway_api.backend_tls import backend_tls_policy
from weft.translate.gateway_api.listeners import api_gateway, gateway_class, listener_set, namespace, reference_grant
from weft.translate.gateway_api.routes import route
from weft.translate.gateway_api.status import Status
from weft.translate.index import Index
from weft.translate.istio_gateways import gateway
from weft.translate.istio_routes import delegated, delegating, virtual_service
from weft.translate.istio_traffic import destination_rule
from weft.translate.login import oidc_login
from weft.translate.mesh_config import mesh_config
from weft.translate.rate_limit import rate_limit
from weft.translate.revision import Revision
from weft.translate.security import peer_authentication
from weft.translate.services import core_service, service_entry
from weft.translate.sidecar import sidecar
from weft.translate.statement import Statement
from weft.translate.tls_settings import tls_settings
from weft.translate.traffic_defaults import traffic_defaults
from weft.translate.trust_domain import trust_domain
from weft.translate.workload_groups import GroupsDraft, joined, member


@dataclass(frozen=True, slots=True)
class Translation:
    """A mesh, what is wrong across its resources (`findings`, by the whole resource), and the statuses of the Gateway API's.
    `index` is what `advance` needs to find its way; nobody else reads it."""

    mesh: Mesh = Mesh()
    findings: Mapping[Ref, tuple[Finding, ...]] = field(default_factory=dict)
    statuses: Mapping[Ref, Status] = field(default_factory=dict)
    index: Index = field(default_factory=Index, compare=False, repr=False)

    def group(self, key: str) -> Resource | None:
        """The WorkloadGroup `namespace/name`."""
        return self.index.groups.groups.get(key)

    def joined(self, proxy: Proxy) -> Proxy:
        """A registered proxy, with what its WorkloadGroup says of it."""
        return joined(proxy, self.group(proxy.workload.group_key)) if proxy.workload.group else proxy


def translation(settings: Settings, resources: Iterable[Resource]) -> Translation:
    """The translation of `resources`; of several with one name the last counts."""
    empty = Translation(Mesh(settings))
    return advance(empty, ((None, resource) for resource in resources))[0]


def advance(translation: Translation, changes: Iterable[tuple[Resource | None, Resource | None]]) -> tuple[Translation, Change]:
    """The translation after `changes` (before, after; None: was not, is no more), and what differs in the mesh."""
    settings = translation.mesh.settings
    revision = Revision(translation.mesh, translation.findings, translation.index, translation.statuses)
    delegation, groups = DelegationDraft(translation.index.delegation), GroupsDraft(translation.index.groups)
    for old, new in changes:
        if old is not None and (new is None or new.ref != old.ref):
            delegation.replace(old.ref, None)
            revision.replace(old.ref, None)
            groups.replace(old.ref, None)
        if new is not None and not (delegation.replace(new.ref, new) or groups.replace(new.ref, new)):
            revision.replace(new.ref, statement(new, settings))
    for root in delegation.touched():
        revision.replace(root.ref, delegating(root, settings, delegation.leaf))
    for leaf, named in delegation.leaves():
        revision.replace(leaf.ref, delegated(leaf, settings, named))
    for entry, group in groups.touched():
        revision.replace(entry.ref, member(entry, group))
    mesh, change = revision.mesh()
    findings, index = revision.findings(mesh), revision.index()
    index = replace(index, delegation=delegation.frozen(), groups=groups.frozen())
    return Translation(mesh, findings, revision.statuses(), index), change


def statement(resource: Resource, settings: Settings) -> Statement | None:
    """What `resource` says by itself; None when it says nothing to a mesh."""
    match resource.spec:
        case Service() as spec:
            return core_service(resource, spec, settings)
        case ServiceEntry() as spec:
            return service_entry(resource, spec, settings)
        case WorkloadEntry() as spec:
            return workload_entry(resource, spec)
        case EndpointSlice() as spec:
            return endpoint_slice(resource, spec, settings)
        case VirtualService() as spec:
            return virtual_service(resource, spec, settings)
        case DestinationRule() as spec:
            return destination_rule(resource, spec, settings)
        case Gateway() as spec:
            return gateway(resource, spec)
        case EnvoyFilter() as spec:
            return envoy_filter(resource, spec)
        case Sidecar() as spec:
            return sidecar(resource, spec, settings)
        case PeerAuthentication() as spec:
            return peer_authentication(resource, spec)
        case Secret() as spec:
            return secret(resource, spec)
        case ConfigMap() as spec:
            return key_set(resource, spec, settings) or tls_settings(resource, spec, settings) or config_map(resource, spec)
        case AuthorizationPolicy() as spec:
            return authorization_policy(resource, spec)
        case RequestAuthentication() as spec:
            return request_authentication(resource, spec)
        case OidcLogin() as spec:
            return oidc_login(resource, spec)
        case RateLimit() as spec:
            return rate_limit(resource, spec, settings)
        case MeshConfig() as spec:
            return mesh_config(resource, spec)
        case TrafficDefaults() as spec:
            return traffic_defaults(resource, spec)
        case TrustDomain():
            return trust_domain(resource, settings)
        case Namespace() as spec:
            return namespace(resource, spec)
        case GatewayClass() as spec:
            return gateway_class(resource, spec)
        case ApiGateway() as spec:
            return api_gateway(resource, spec)
        case ListenerSet() as spec:
            return listener_set(resource, spec)
        case HttpRoute() | GrpcRoute() | TlsRoute() | TcpRoute() | UdpRoute() as spec:
            return route(resource, spec, settings)
        case BackendTlsPolicy() as spec:
            return backend_tls_policy(resource, spec, settings)
        case ReferenceGrant() as spec:
            return reference_grant(resource, spec)
        case _:
            return None
