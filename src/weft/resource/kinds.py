"""Every kind that weft reads: one literal tuple, and look-ups in it."""

from collections.abc import Mapping

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
from weft.resource.istio.proxy_config import ProxyConfig
from weft.resource.istio.request_authentication import RequestAuthentication
from weft.resource.istio.service_entry import ServiceEntry
from weft.resource.istio.sidecar import Sidecar
from weft.resource.istio.virtual_service import VirtualService
from weft.resource.istio.workload_entry import WorkloadEntry
from weft.resource.istio.workload_group import WorkloadGroup
from weft.resource.kind import AGE, Column, Kind
from weft.resource.weft.mesh_config import MeshConfig
from weft.resource.weft.node import Node
from weft.resource.weft.oidc_login import OidcLogin
from weft.resource.weft.rate_limit import RateLimit
from weft.resource.weft.traffic_defaults import TrafficDefaults
from weft.resource.weft.trust_domain import TrustDomain

_NETWORKING = "networking.istio.io"
_SECURITY = "security.istio.io"
_NETWORKING_VERSIONS = ("v1", "v1beta1", "v1alpha3")
_NETWORKING_CATEGORIES = ("istio-io", "networking-istio-io")
_GATEWAY_API = "gateway.networking.k8s.io"
_GATEWAY_API_VERSIONS = ("v1", "v1beta1")

NAMESPACE = Kind(
    "", ("v1",), "Namespace", "namespaces", "namespace", Namespace, ("ns",), namespaced=False,
    columns=(Column("Status", ".status.phase"), AGE),
)  # fmt: skip
SERVICE = Kind(
    "", ("v1",), "Service", "services", "service", Service, ("svc",), categories=("all",),
    columns=(
        Column("Type", ".spec.type"),
        Column("Cluster-IP", ".spec.clusterIP"),
        Column("Port(s)", ".spec.ports[*].port"),
        AGE,
        Column("Selector", ".spec.selector", 1),
    ),
)  # fmt: skip
SECRET = Kind(
    "", ("v1",), "Secret", "secrets", "secret", Secret, body="",
    columns=(Column("Type", ".type"), AGE),
)  # fmt: skip
CONFIG_MAP = Kind("", ("v1",), "ConfigMap", "configmaps", "configmap", ConfigMap, ("cm",), body="")
ENDPOINT_SLICE = Kind(
    "discovery.k8s.io", ("v1",), "EndpointSlice", "endpointslices", "endpointslice", EndpointSlice, body="",
    columns=(
        Column("AddressType", ".addressType"),
        Column("Ports", ".ports[*].port"),
        Column("Endpoints", ".endpoints[*].addresses"),
        AGE,
    ),
)  # fmt: skip
GATEWAY_CLASS = Kind(
    _GATEWAY_API, _GATEWAY_API_VERSIONS, "GatewayClass", "gatewayclasses", "gatewayclass", GatewayClass, ("gc",),
    namespaced=False, categories=("gateway-api",), body_required=True,
    columns=(
        Column("Controller", ".spec.controllerName"),
        Column("Accepted", '.status.conditions[?(@.type=="Accepted")].status'),
        AGE,
        Column("Description", ".spec.description", 1),
    ),
)  # fmt: skip
API_GATEWAY = Kind(
    _GATEWAY_API, _GATEWAY_API_VERSIONS, "Gateway", "gateways", "gateway", ApiGateway, ("gtw",),
    categories=("gateway-api",), body_required=True,
    columns=(
        Column("Class", ".spec.gatewayClassName"),
        Column("Address", ".status.addresses[*].value"),
        Column("Programmed", '.status.conditions[?(@.type=="Programmed")].status'),
        AGE,
    ),
)  # fmt: skip
HTTP_ROUTE = Kind(
    _GATEWAY_API, _GATEWAY_API_VERSIONS, "HTTPRoute", "httproutes", "httproute", HttpRoute,
    categories=("gateway-api",), body_required=True,
    columns=(Column("Hostnames", ".spec.hostnames"), AGE),
)  # fmt: skip
GRPC_ROUTE = Kind(
    _GATEWAY_API, ("v1",), "GRPCRoute", "grpcroutes", "grpcroute", GrpcRoute,
    categories=("gateway-api",), body_required=True,
    columns=(Column("Hostnames", ".spec.hostnames"), AGE),
)  # fmt: skip
TLS_ROUTE = Kind(
    _GATEWAY_API, ("v1", "v1alpha3", "v1alpha2"), "TLSRoute", "tlsroutes", "tlsroute", TlsRoute,
    categories=("gateway-api",), body_required=True,
    columns=(Column("Hostnames", ".spec.hostnames"), AGE),
)  # fmt: skip
TCP_ROUTE = Kind(
    _GATEWAY_API, ("v1", "v1alpha2"), "TCPRoute", "tcproutes", "tcproute", TcpRoute,
    categories=("gateway-api",), body_required=True,
)  # fmt: skip
UDP_ROUTE = Kind(
    _GATEWAY_API, ("v1", "v1alpha2"), "UDPRoute", "udproutes", "udproute", UdpRoute,
    categories=("gateway-api",), body_required=True,
)  # fmt: skip
LISTENER_SET = Kind(
    _GATEWAY_API, ("v1",), "ListenerSet", "listenersets", "listenerset", ListenerSet, ("lset",),
    categories=("gateway-api",), body_required=True,
    columns=(
        Column("Accepted", '.status.conditions[?(@.type=="Accepted")].status'),
        Column("Programmed", '.status.conditions[?(@.type=="Programmed")].status'),
        AGE,
    ),
)  # fmt: skip
REFERENCE_GRANT = Kind(
    _GATEWAY_API, _GATEWAY_API_VERSIONS, "ReferenceGrant", "referencegrants", "referencegrant", ReferenceGrant, ("refgrant",),
    categories=("gateway-api",), body_required=True,
)  # fmt: skip
BACKEND_TLS_POLICY = Kind(
    _GATEWAY_API, ("v1", "v1alpha3"), "BackendTLSPolicy", "backendtlspolicies", "backendtlspolicy", BackendTlsPolicy,
    ("btlspolicy",), categories=("gateway-api",), body_required=True,
)  # fmt: skip
VIRTUAL_SERVICE = Kind(
    _NETWORKING, _NETWORKING_VERSIONS, "VirtualService", "virtualservices", "virtualservice", VirtualService, ("vs",),
    categories=_NETWORKING_CATEGORIES,
    columns=(Column("Gateways", ".spec.gateways"), Column("Hosts", ".spec.hosts"), AGE),
)  # fmt: skip
DESTINATION_RULE = Kind(
    _NETWORKING, _NETWORKING_VERSIONS, "DestinationRule", "destinationrules", "destinationrule", DestinationRule, ("dr",),
    categories=_NETWORKING_CATEGORIES,
    columns=(Column("Host", ".spec.host"), AGE),
)  # fmt: skip
GATEWAY = Kind(
    _NETWORKING, _NETWORKING_VERSIONS, "Gateway", "gateways", "gateway", Gateway, ("gw",),
    categories=_NETWORKING_CATEGORIES,
    columns=(AGE, Column("Selector", ".spec.selector", 1), Column("Hosts", ".spec.servers[*].hosts", 1)),
)  # fmt: skip
SERVICE_ENTRY = Kind(
    _NETWORKING, _NETWORKING_VERSIONS, "ServiceEntry", "serviceentries", "serviceentry", ServiceEntry, ("se",),
    categories=_NETWORKING_CATEGORIES, body_required=True,
    columns=(
        Column("Hosts", ".spec.hosts"),
        Column("Location", ".spec.location"),
        Column("Resolution", ".spec.resolution"),
        AGE,
    ),
)  # fmt: skip
WORKLOAD_ENTRY = Kind(
    _NETWORKING, _NETWORKING_VERSIONS, "WorkloadEntry", "workloadentries", "workloadentry", WorkloadEntry, ("we",),
    categories=_NETWORKING_CATEGORIES, body_required=True,
    columns=(AGE, Column("Address", ".spec.address"), Column("Labels", ".spec.labels", 1)),
)  # fmt: skip
ENVOY_FILTER = Kind(
    _NETWORKING, ("v1alpha3",), "EnvoyFilter", "envoyfilters", "envoyfilter", EnvoyFilter, categories=_NETWORKING_CATEGORIES,
    columns=(Column("Priority", ".spec.priority", 1, "integer"), AGE),
)  # fmt: skip
PROXY_CONFIG = Kind(
    _NETWORKING, ("v1beta1",), "ProxyConfig", "proxyconfigs", "proxyconfig", ProxyConfig, categories=_NETWORKING_CATEGORIES,
)  # fmt: skip
WORKLOAD_GROUP = Kind(
    _NETWORKING, _NETWORKING_VERSIONS, "WorkloadGroup", "workloadgroups", "workloadgroup", WorkloadGroup, ("wg",),
    categories=_NETWORKING_CATEGORIES, body_required=True,
    columns=(AGE, Column("Labels", ".spec.metadata.labels", 1)),
)  # fmt: skip
SIDECAR = Kind(
    _NETWORKING, _NETWORKING_VERSIONS, "Sidecar", "sidecars", "sidecar", Sidecar, categories=_NETWORKING_CATEGORIES,
    columns=(Column("Selector", ".spec.workloadSelector.labels"), Column("Egress", ".spec.egress[*].hosts", 1), AGE),
)  # fmt: skip
PEER_AUTHENTICATION = Kind(
    _SECURITY, ("v1", "v1beta1"), "PeerAuthentication", "peerauthentications", "peerauthentication", PeerAuthentication,
    ("pa",), categories=("istio-io", "security-istio-io"),
    columns=(Column("Mode", ".spec.mtls.mode"), AGE),
)  # fmt: skip
AUTHORIZATION_POLICY = Kind(
    _SECURITY, ("v1", "v1beta1"), "AuthorizationPolicy", "authorizationpolicies", "authorizationpolicy", AuthorizationPolicy,
    ("ap",), categories=("istio-io", "security-istio-io"),
    columns=(Column("Action", ".spec.action"), AGE),
)  # fmt: skip
REQUEST_AUTHENTICATION = Kind(
    _SECURITY, ("v1", "v1beta1"), "RequestAuthentication", "requestauthentications", "requestauthentication",
    RequestAuthentication, ("ra",), categories=("istio-io", "security-istio-io"),
    columns=(Column("Issuers", ".spec.jwtRules[*].issuer"), AGE),
)  # fmt: skip
NODE = Kind(
    "mesh.weft.dev", ("v1alpha1",), "Node", "nodes", "node", Node, namespaced=False, categories=("weft",),
    columns=(Column("Identities", ".spec.identities[*].serviceAccount"), AGE),
)  # fmt: skip
MESH_CONFIG = Kind(
    "mesh.weft.dev", ("v1alpha1",), "MeshConfig", "meshconfigs", "meshconfig", MeshConfig,
    categories=("weft",), body_required=True,
    columns=(
        Column("Providers", ".spec.extensionProviders[*].name"),
        Column("Paths", ".spec.pathNormalization.normalization"),
        AGE,
    ),
)  # fmt: skip
TRAFFIC_DEFAULTS = Kind(
    "mesh.weft.dev", ("v1alpha1",), "TrafficDefaults", "trafficdefaults", "trafficdefaults", TrafficDefaults, ("td",),
    categories=("weft",), body_required=True,
    columns=(
        Column("Timeout", ".spec.timeout"),
        Column("Attempts", ".spec.defaultHttpRetryPolicy.attempts", type="integer"),
        Column("Outbound", ".spec.outboundTrafficPolicy.mode"),
        AGE,
    ),
)  # fmt: skip
RATE_LIMIT = Kind(
    "mesh.weft.dev", ("v1alpha1",), "RateLimit", "ratelimits", "ratelimit", RateLimit, ("rl",), categories=("weft",),
    body_required=True,
    columns=(Column("Mode", ".spec.mode"), Column("Shadow", ".spec.shadow", type="boolean"), AGE),
)  # fmt: skip
TRUST_DOMAIN = Kind(
    "mesh.weft.dev", ("v1alpha1",), "TrustDomain", "trustdomains", "trustdomain", TrustDomain, namespaced=False,
    categories=("weft",), body_required=True,
    columns=(Column("Endpoint", ".spec.bundleEndpoint.url"), Column("Profile", ".spec.bundleEndpoint.profile"), AGE),
)  # fmt: skip

OIDC_LOGIN = Kind(
    "mesh.weft.dev", ("v1alpha1",), "OidcLogin", "oidclogins", "oidclogin", OidcLogin, ("login",), categories=("weft",),
    body_required=True,
    columns=(Column("Issuer", ".spec.issuer"), Column("Client", ".spec.clientId"), AGE),
)  # fmt: skip

KINDS: tuple[Kind, ...] = (
    NAMESPACE,
    SERVICE,
    SECRET,
    CONFIG_MAP,
    ENDPOINT_SLICE,
    GATEWAY_CLASS,
    API_GATEWAY,
    HTTP_ROUTE,
    GRPC_ROUTE,
    TLS_ROUTE,
    TCP_ROUTE,
    UDP_ROUTE,
    LISTENER_SET,
    REFERENCE_GRANT,
    BACKEND_TLS_POLICY,
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    GATEWAY,
    SERVICE_ENTRY,
    WORKLOAD_ENTRY,
    WORKLOAD_GROUP,
    SIDECAR,
    ENVOY_FILTER,
    PROXY_CONFIG,
    PEER_AUTHENTICATION,
    AUTHORIZATION_POLICY,
    REQUEST_AUTHENTICATION,
    NODE,
    TRAFFIC_DEFAULTS,
    MESH_CONFIG,
    RATE_LIMIT,
    OIDC_LOGIN,
    TRUST_DOMAIN,
)

_BY_KIND: Mapping[tuple[str, str], Kind] = {(api_version, kind.kind): kind for kind in KINDS for api_version in kind.api_versions}
_BY_PLURAL: Mapping[tuple[str, str], Kind] = {(kind.group, kind.plural): kind for kind in KINDS}


def by_kind(api_version: str, kind: str) -> Kind | None:
    """The kind written `apiVersion: api_version`, `kind: kind`."""
    return _BY_KIND.get((api_version, kind))


def by_plural(group: str, plural: str) -> Kind | None:
    """The kind whose plural stands in the API's paths."""
    return _BY_PLURAL.get((group, plural))


def by_name(name: str) -> Kind | None:
    """The kind a person means by `name`, as kubectl takes it: kind, plural, singular or short name, perhaps `plural.group`. Two
    kinds are called Gateway: the Gateway API's is the first by its group, as in Kubernetes, and `gw` is Istio's."""
    said = name.lower()
    for kind in KINDS:
        if said in (kind.kind.lower(), kind.plural, kind.singular, kind.resource, *kind.short_names):
            return kind
    return None
