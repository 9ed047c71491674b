from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Health(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HEALTHY: _ClassVar[Health]
    UNHEALTHY: _ClassVar[Health]
    DRAINING: _ClassVar[Health]
HEALTHY: Health
UNHEALTHY: Health
DRAINING: Health

class JoinRequest(_message.Message):
    __slots__ = ("token", "node", "csr")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    token: str
    node: str
    csr: bytes
    def __init__(self, token: _Optional[str] = ..., node: _Optional[str] = ..., csr: _Optional[bytes] = ...) -> None: ...

class RenewRequest(_message.Message):
    __slots__ = ("certificates", "csr", "signature")
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    certificates: bytes
    csr: bytes
    signature: bytes
    def __init__(self, certificates: _Optional[bytes] = ..., csr: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class AttestRequest(_message.Message):
    __slots__ = ("join_token", "kubernetes_token", "csr")
    JOIN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KUBERNETES_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    join_token: str
    kubernetes_token: str
    csr: bytes
    def __init__(self, join_token: _Optional[str] = ..., kubernetes_token: _Optional[str] = ..., csr: _Optional[bytes] = ...) -> None: ...

class SignRequest(_message.Message):
    __slots__ = ("spiffe_id", "csr", "root")
    SPIFFE_ID_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    spiffe_id: str
    csr: bytes
    root: str
    def __init__(self, spiffe_id: _Optional[str] = ..., csr: _Optional[bytes] = ..., root: _Optional[str] = ...) -> None: ...

class Certificate(_message.Message):
    __slots__ = ("chain", "bundle", "not_after")
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    bundle: bytes
    not_after: int
    def __init__(self, chain: _Optional[bytes] = ..., bundle: _Optional[bytes] = ..., not_after: _Optional[int] = ...) -> None: ...

class JwtRequest(_message.Message):
    __slots__ = ("spiffe_id", "audience")
    SPIFFE_ID_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    spiffe_id: str
    audience: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, spiffe_id: _Optional[str] = ..., audience: _Optional[_Iterable[str]] = ...) -> None: ...

class Jwt(_message.Message):
    __slots__ = ("token", "not_after")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    token: str
    not_after: int
    def __init__(self, token: _Optional[str] = ..., not_after: _Optional[int] = ...) -> None: ...

class Trust(_message.Message):
    __slots__ = ("jwks", "aliases", "federated")
    JWKS_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    FEDERATED_FIELD_NUMBER: _ClassVar[int]
    jwks: bytes
    aliases: _containers.RepeatedScalarFieldContainer[str]
    federated: _containers.RepeatedCompositeFieldContainer[FederatedDomain]
    def __init__(self, jwks: _Optional[bytes] = ..., aliases: _Optional[_Iterable[str]] = ..., federated: _Optional[_Iterable[_Union[FederatedDomain, _Mapping]]] = ...) -> None: ...

class FederatedDomain(_message.Message):
    __slots__ = ("trust_domain", "bundle", "jwks")
    TRUST_DOMAIN_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    JWKS_FIELD_NUMBER: _ClassVar[int]
    trust_domain: str
    bundle: bytes
    jwks: bytes
    def __init__(self, trust_domain: _Optional[str] = ..., bundle: _Optional[bytes] = ..., jwks: _Optional[bytes] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("host", "port")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...

class InboundPort(_message.Message):
    __slots__ = ("name", "number", "protocol", "listen", "application", "asked")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    LISTEN_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: int
    protocol: str
    listen: Address
    application: Address
    asked: bool
    def __init__(self, name: _Optional[str] = ..., number: _Optional[int] = ..., protocol: _Optional[str] = ..., listen: _Optional[_Union[Address, _Mapping]] = ..., application: _Optional[_Union[Address, _Mapping]] = ..., asked: _Optional[bool] = ...) -> None: ...

class Upstream(_message.Message):
    __slots__ = ("host", "port", "listen")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    LISTEN_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    listen: Address
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ..., listen: _Optional[_Union[Address, _Mapping]] = ...) -> None: ...

class Workload(_message.Message):
    __slots__ = ("namespace", "name", "service_account", "labels", "locality", "network", "weight", "health", "gateway", "http_proxy", "inbound", "upstreams", "gateway_host", "envoy_version", "workload_group")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LOCALITY_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    HTTP_PROXY_FIELD_NUMBER: _ClassVar[int]
    INBOUND_FIELD_NUMBER: _ClassVar[int]
    UPSTREAMS_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_HOST_FIELD_NUMBER: _ClassVar[int]
    ENVOY_VERSION_FIELD_NUMBER: _ClassVar[int]
    WORKLOAD_GROUP_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    service_account: str
    labels: _containers.ScalarMap[str, str]
    locality: str
    network: str
    weight: int
    health: Health
    gateway: bool
    http_proxy: Address
    inbound: _containers.RepeatedCompositeFieldContainer[InboundPort]
    upstreams: _containers.RepeatedCompositeFieldContainer[Upstream]
    gateway_host: str
    envoy_version: str
    workload_group: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., service_account: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., locality: _Optional[str] = ..., network: _Optional[str] = ..., weight: _Optional[int] = ..., health: _Optional[_Union[Health, str]] = ..., gateway: _Optional[bool] = ..., http_proxy: _Optional[_Union[Address, _Mapping]] = ..., inbound: _Optional[_Iterable[_Union[InboundPort, _Mapping]]] = ..., upstreams: _Optional[_Iterable[_Union[Upstream, _Mapping]]] = ..., gateway_host: _Optional[str] = ..., envoy_version: _Optional[str] = ..., workload_group: _Optional[str] = ...) -> None: ...

class EdgeCounters(_message.Message):
    __slots__ = ("proxy", "cluster", "endpoint", "requests", "successes", "errors", "connections", "mtls", "tls")
    PROXY_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    SUCCESSES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    MTLS_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    proxy: str
    cluster: str
    endpoint: str
    requests: int
    successes: int
    errors: int
    connections: int
    mtls: bool
    tls: bool
    def __init__(self, proxy: _Optional[str] = ..., cluster: _Optional[str] = ..., endpoint: _Optional[str] = ..., requests: _Optional[int] = ..., successes: _Optional[int] = ..., errors: _Optional[int] = ..., connections: _Optional[int] = ..., mtls: _Optional[bool] = ..., tls: _Optional[bool] = ...) -> None: ...

class EdgeLatency(_message.Message):
    __slots__ = ("proxy", "cluster", "bounds", "counts")
    PROXY_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    proxy: str
    cluster: str
    bounds: _containers.RepeatedScalarFieldContainer[float]
    counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, proxy: _Optional[str] = ..., cluster: _Optional[str] = ..., bounds: _Optional[_Iterable[float]] = ..., counts: _Optional[_Iterable[int]] = ...) -> None: ...

class ProxyState(_message.Message):
    __slots__ = ("proxy", "certificate_not_after", "connected", "listeners")
    class ListenersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    PROXY_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    LISTENERS_FIELD_NUMBER: _ClassVar[int]
    proxy: str
    certificate_not_after: int
    connected: bool
    listeners: _containers.ScalarMap[str, int]
    def __init__(self, proxy: _Optional[str] = ..., certificate_not_after: _Optional[int] = ..., connected: _Optional[bool] = ..., listeners: _Optional[_Mapping[str, int]] = ...) -> None: ...

class CallCounters(_message.Message):
    __slots__ = ("proxy", "port", "identity", "address", "transport", "method", "host", "path", "denied_by", "shadow", "count", "first_seen", "last_seen")
    PROXY_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    DENIED_BY_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    proxy: str
    port: int
    identity: str
    address: str
    transport: str
    method: str
    host: str
    path: str
    denied_by: str
    shadow: str
    count: int
    first_seen: int
    last_seen: int
    def __init__(self, proxy: _Optional[str] = ..., port: _Optional[int] = ..., identity: _Optional[str] = ..., address: _Optional[str] = ..., transport: _Optional[str] = ..., method: _Optional[str] = ..., host: _Optional[str] = ..., path: _Optional[str] = ..., denied_by: _Optional[str] = ..., shadow: _Optional[str] = ..., count: _Optional[int] = ..., first_seen: _Optional[int] = ..., last_seen: _Optional[int] = ...) -> None: ...

class Sighting(_message.Message):
    __slots__ = ("proxy", "look", "chain", "accepts", "refuses", "held", "problem", "leaf")
    PROXY_FIELD_NUMBER: _ClassVar[int]
    LOOK_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    ACCEPTS_FIELD_NUMBER: _ClassVar[int]
    REFUSES_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    LEAF_FIELD_NUMBER: _ClassVar[int]
    proxy: str
    look: int
    chain: _containers.RepeatedScalarFieldContainer[bytes]
    accepts: _containers.RepeatedScalarFieldContainer[str]
    refuses: _containers.RepeatedScalarFieldContainer[str]
    held: str
    problem: str
    leaf: str
    def __init__(self, proxy: _Optional[str] = ..., look: _Optional[int] = ..., chain: _Optional[_Iterable[bytes]] = ..., accepts: _Optional[_Iterable[str]] = ..., refuses: _Optional[_Iterable[str]] = ..., held: _Optional[str] = ..., problem: _Optional[str] = ..., leaf: _Optional[str] = ...) -> None: ...

class Look(_message.Message):
    __slots__ = ("number", "roots", "issuer")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ROOTS_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    number: int
    roots: _containers.RepeatedScalarFieldContainer[str]
    issuer: str
    def __init__(self, number: _Optional[int] = ..., roots: _Optional[_Iterable[str]] = ..., issuer: _Optional[str] = ...) -> None: ...

class NodeReport(_message.Message):
    __slots__ = ("complete", "upsert", "remove", "edges", "latencies", "proxies", "sightings", "sequence", "calls")
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    UPSERT_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    LATENCIES_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    SIGHTINGS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    complete: bool
    upsert: _containers.RepeatedCompositeFieldContainer[Workload]
    remove: _containers.RepeatedScalarFieldContainer[str]
    edges: _containers.RepeatedCompositeFieldContainer[EdgeCounters]
    latencies: _containers.RepeatedCompositeFieldContainer[EdgeLatency]
    proxies: _containers.RepeatedCompositeFieldContainer[ProxyState]
    sightings: _containers.RepeatedCompositeFieldContainer[Sighting]
    sequence: int
    calls: _containers.RepeatedCompositeFieldContainer[CallCounters]
    def __init__(self, complete: _Optional[bool] = ..., upsert: _Optional[_Iterable[_Union[Workload, _Mapping]]] = ..., remove: _Optional[_Iterable[str]] = ..., edges: _Optional[_Iterable[_Union[EdgeCounters, _Mapping]]] = ..., latencies: _Optional[_Iterable[_Union[EdgeLatency, _Mapping]]] = ..., proxies: _Optional[_Iterable[_Union[ProxyState, _Mapping]]] = ..., sightings: _Optional[_Iterable[_Union[Sighting, _Mapping]]] = ..., sequence: _Optional[int] = ..., calls: _Optional[_Iterable[_Union[CallCounters, _Mapping]]] = ...) -> None: ...

class ProbeHeader(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Probe(_message.Message):
    __slots__ = ("way", "port", "path", "host", "tls", "headers", "command", "service", "initial_delay", "timeout", "period", "successes", "failures")
    WAY_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    INITIAL_DELAY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    SUCCESSES_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    way: str
    port: int
    path: str
    host: str
    tls: bool
    headers: _containers.RepeatedCompositeFieldContainer[ProbeHeader]
    command: _containers.RepeatedScalarFieldContainer[str]
    service: str
    initial_delay: float
    timeout: float
    period: float
    successes: int
    failures: int
    def __init__(self, way: _Optional[str] = ..., port: _Optional[int] = ..., path: _Optional[str] = ..., host: _Optional[str] = ..., tls: _Optional[bool] = ..., headers: _Optional[_Iterable[_Union[ProbeHeader, _Mapping]]] = ..., command: _Optional[_Iterable[str]] = ..., service: _Optional[str] = ..., initial_delay: _Optional[float] = ..., timeout: _Optional[float] = ..., period: _Optional[float] = ..., successes: _Optional[int] = ..., failures: _Optional[int] = ...) -> None: ...

class Probes(_message.Message):
    __slots__ = ("groups",)
    class GroupsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Probe
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Probe, _Mapping]] = ...) -> None: ...
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.MessageMap[str, Probe]
    def __init__(self, groups: _Optional[_Mapping[str, Probe]] = ...) -> None: ...

class ProxySettings(_message.Message):
    __slots__ = ("concurrency", "environment")
    class EnvironmentEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    concurrency: int
    environment: _containers.ScalarMap[str, str]
    def __init__(self, concurrency: _Optional[int] = ..., environment: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AllProxySettings(_message.Message):
    __slots__ = ("proxies",)
    class ProxiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ProxySettings
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ProxySettings, _Mapping]] = ...) -> None: ...
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    proxies: _containers.MessageMap[str, ProxySettings]
    def __init__(self, proxies: _Optional[_Mapping[str, ProxySettings]] = ...) -> None: ...

class NodeReply(_message.Message):
    __slots__ = ("look", "sequence", "bundle", "refused", "trust", "probes", "settings", "eager")
    LOOK_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    TRUST_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    EAGER_FIELD_NUMBER: _ClassVar[int]
    look: Look
    sequence: int
    bundle: bytes
    refused: str
    trust: Trust
    probes: Probes
    settings: AllProxySettings
    eager: bool
    def __init__(self, look: _Optional[_Union[Look, _Mapping]] = ..., sequence: _Optional[int] = ..., bundle: _Optional[bytes] = ..., refused: _Optional[str] = ..., trust: _Optional[_Union[Trust, _Mapping]] = ..., probes: _Optional[_Union[Probes, _Mapping]] = ..., settings: _Optional[_Union[AllProxySettings, _Mapping]] = ..., eager: _Optional[bool] = ...) -> None: ...
