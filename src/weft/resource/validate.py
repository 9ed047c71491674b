"""What the types cannot say: the rules that Istio's, Kubernetes' and the Gateway API's own validation enforce, kind by kind."""

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
from weft.resource.istio import mesh_config as meshwide
from weft.resource.istio.authorization_policy import AuthorizationPolicy
from weft.resource.istio.destination_rule import DestinationRule
from weft.resource.istio.envoy_filter import EnvoyFilter
from weft.resource.istio.gateway import Gateway
from weft.resource.istio.peer_authentication import PeerAuthentication
from weft.resource.istio.proxy_config import ProxyConfig
from weft.resource.istio.request_authentication import RequestAuthentication
from weft.resource.istio.service_entry import ServiceEntry
from weft.resource.istio.sidecar import Sidecar
from weft.resource.istio.virtual_service import VirtualService
from weft.resource.istio.workload_entry import WorkloadEntry
from weft.resource.istio.workload_group import WorkloadGroup
from weft.resource.problems import Problems
from weft.resource.resource import Resource
from weft.resource.validation import core, gateway_api, gateway_api_routes
from weft.resource.validation.authorization_policy import authorization_policy
from weft.resource.validation.backend_tls_policy import backend_tls_policy
from weft.resource.validation.destination_rule import destination_rule
from weft.resource.validation.envoy_filter import envoy_filter
from weft.resource.validation.fallback import fallback
from weft.resource.validation.gateway import gateway
from weft.resource.validation.labels import annotated_split, metadata
from weft.resource.validation.locality import traffic_distribution
from weft.resource.validation.mesh_config import mesh_config
from weft.resource.validation.oidc_login import oidc_login
from weft.resource.validation.peer_authentication import peer_authentication
from weft.resource.validation.proxy_config import proxy_config
from weft.resource.validation.rate_limit import rate_limit
from weft.resource.validation.request_authentication import request_authentication
from weft.resource.validation.service_entry import service_entry, workload_entry
from weft.resource.validation.sidecar import sidecar
from weft.resource.validation.traffic_defaults import traffic_defaults
from weft.resource.validation.trust_domain import trust_domain
from weft.resource.validation.virtual_service import virtual_service
from weft.resource.validation.workload_group import workload_group
from weft.resource.weft.mesh_config import MeshConfig
from weft.resource.weft.node import Node
from weft.resource.weft.oidc_login import OidcLogin
from weft.resource.weft.rate_limit import RateLimit
from weft.resource.weft.traffic_defaults import TrafficDefaults
from weft.resource.weft.trust_domain import TrustDomain


def validate(resource: Resource, problems: Problems) -> None:
    """Adds what is wrong in the meaning of `resource` to `problems`."""
    metadata(resource.meta, resource.kind, problems)
    match resource.spec:
        case VirtualService() as spec:
            virtual_service(spec, problems)
            annotated_split(resource.meta.annotations, problems)
        case DestinationRule() as spec:
            destination_rule(spec, problems)
            fallback(resource.meta.annotations, problems)
        case Gateway() as spec:
            gateway(spec, problems)
        case ServiceEntry() as spec:
            service_entry(spec, problems)
            traffic_distribution(resource.meta.annotations.items(), problems)
        case WorkloadEntry() as spec:
            workload_entry(spec, "spec", problems)
        case EnvoyFilter() as spec:
            envoy_filter(spec, problems)
        case WorkloadGroup() as spec:
            workload_group(spec, problems)
        case ProxyConfig() as spec:
            proxy_config(spec, problems)
        case Sidecar() as spec:
            sidecar(spec, problems)
        case PeerAuthentication() as spec:
            peer_authentication(spec, problems)
        case AuthorizationPolicy() as spec:
            authorization_policy(spec, problems)
        case RequestAuthentication() as spec:
            request_authentication(spec, problems)
        case GatewayClass() as spec:
            gateway_api.gateway_class(spec, problems)
        case ApiGateway() as spec:
            gateway_api.gateway(spec, problems)
        case HttpRoute() as spec:
            gateway_api_routes.http_route(spec, problems)
            annotated_split(resource.meta.annotations, problems)
        case GrpcRoute() as spec:
            gateway_api_routes.grpc_route(spec, problems)
            annotated_split(resource.meta.annotations, problems)
        case TlsRoute() as spec:
            gateway_api_routes.tls_route(spec, problems)
        case TcpRoute() | UdpRoute() as spec:
            gateway_api_routes.l4_route(spec, problems)
        case ListenerSet() as spec:
            gateway_api.listener_set(spec, problems)
        case BackendTlsPolicy() as spec:
            backend_tls_policy(spec, problems)
        case ReferenceGrant() as spec:
            gateway_api.reference_grant(spec, problems)
        case Service() as spec:
            core.service(spec, problems)
            traffic_distribution(resource.meta.annotations.items(), problems)
        case Secret() as spec:
            core.secret(spec, problems)
        case EndpointSlice() as spec:
            core.endpoint_slice(spec, problems)
        case ConfigMap() as spec:
            core.config_map(spec, problems)
            if resource.meta.name == meshwide.NAME and meshwide.KEY in spec.data:
                meshwide.validate(spec, resource.meta.annotations, problems)
        case MeshConfig() as spec:
            mesh_config(spec, problems)
        case TrafficDefaults() as spec:
            traffic_defaults(spec, problems)
        case OidcLogin() as spec:
            oidc_login(spec, problems)
        case RateLimit() as spec:
            rate_limit(spec, problems)
        case TrustDomain() as spec:
            trust_domain(resource.meta.name, spec, problems)
        case Namespace():
            traffic_distribution(resource.meta.annotations.items(), problems)
        case Node() as spec:
            core.node(spec, problems)
