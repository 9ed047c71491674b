"""The inputs of Envoy resources: everything that may shape one, and nothing else.

Two proxies with equal inputs share the bytes. `hosts` are the mesh's host names that were looked up, in vain or not: a change
of any of them may change the resource. `origins` are the operator's resources behind it.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from weft.compile.scope.screening_inputs import Guard, Limits, Login, Screening
from weft.model.authentication import JwtRule
from weft.model.credential import Credential
from weft.model.endpoint import Health, Locality
from weft.model.gateway import Server
from weft.model.route import (
    NO_EDIT,
    Cors,
    DirectResponse,
    Fault,
    HeaderEdit,
    HttpMatch,
    Redirect,
    Retries,
    Rewrite,
    Session,
)
from weft.model.security import MtlsMode
from weft.model.service import Protocol
from weft.model.tls_settings import TlsRules
from weft.model.traffic import ClientTls, ConnectionPool, HashKey, PortPolicy, Tunnel
from weft.model.workload import Address
from weft.ref import Ref

ANY_HOST = "*"
"""Among the `hosts` of a resource: a change of any host may change it (a gateway's routes: a new one may bind to it)."""


# clusters and endpoints


@dataclass(frozen=True, slots=True)
class Plaintext:
    """No TLS."""


@dataclass(frozen=True, slots=True)
class MeshTls:
    """The mesh's own mTLS. `identities` are the SPIFFE IDs the peer may have; none known: any of the trust domain."""

    identities: tuple[str, ...]
    trust_domain: str
    sni: str
    rules: TlsRules = TlsRules()


@dataclass(frozen=True, slots=True)
class OriginatedTls:
    """TLS as the operator wrote it. `sni` is filled. `shown` and `trusted` name the secrets of certificate and authorities;
    empty: files, or nothing."""

    tls: ClientTls
    sni: str
    shown: str = ""
    trusted: str = ""
    rules: TlsRules = TlsRules()


Transport = Plaintext | MeshTls | OriginatedTls


class Discovery(Enum):
    """Where a cluster's endpoints come from. FORWARD: the name is resolved when a request needs it."""

    EDS = "eds"
    FORWARD = "forward"


@dataclass(frozen=True, slots=True)
class ClusterInput:
    """One port of one service, or of a subset of it, and how this proxy is to treat it."""

    name: str
    protocol: Protocol
    transport: Transport
    discovery: Discovery = Discovery.EDS
    policy: PortPolicy = PortPolicy()
    hosts: frozenset[str] = frozenset()
    origins: tuple[Ref, ...] = ()

    @property
    def heeds_localities(self) -> bool:
        """Whether its load is shared by weights of localities."""
        setting = self.policy.load_balancing.locality if self.policy.load_balancing else None
        return setting is not None and setting.enabled and bool(setting.distribute)


@dataclass(frozen=True, slots=True)
class FallbackInput:
    """A cluster that sends to the first of `members` that has a healthy endpoint. `policy` is that of the first: how much is
    tried again is counted here, everything else where it is sent."""

    name: str
    members: tuple[str, ...]
    policy: PortPolicy = PortPolicy()
    hosts: frozenset[str] = frozenset()
    origins: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True)
class ApplicationInput:
    """The cluster of the application beside a sidecar. `socket`: the path of the Unix socket at which it listens instead."""

    number: int
    address: Address
    protocol: Protocol
    socket: str = ""
    pool: ConnectionPool | None = None


class LbEndpoint(NamedTuple):
    """What Envoy needs of an endpoint. Those of a lower `priority` number are taken first."""

    priority: int
    locality: Locality
    address: str
    port: int
    weight: int
    health: Health
    workload: str


@dataclass(frozen=True, slots=True)
class EndpointsInput:
    """The endpoints of one cluster, sorted. `weights` are the shares of localities, where the cluster is told to heed them.
    `overprovisioning` (percent; 0: Envoy's 140): a priority takes this much of its healthy share before the next gets any."""

    cluster: str
    endpoints: tuple[LbEndpoint, ...]
    hosts: frozenset[str]
    weights: tuple[tuple[Locality, int], ...] = ()
    overprovisioning: int = 0


# secrets


@dataclass(frozen=True, slots=True)
class SecretInput:
    """A certificate to show, or authorities to trust, or `words`, of `origin`. `sources` are the keys of the credentials that
    were looked up."""

    name: str
    shown: Credential | None
    trusted: tuple[Credential, ...]
    sources: frozenset[str]
    words: bytes = field(default=b"", repr=False)
    origin: Ref | None = None


# routes


@dataclass(frozen=True, slots=True)
class ConnectMatch:
    """A CONNECT request: the caller wants a tunnel."""


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster's share of the traffic. `dial` is the (host, port) to resolve and connect to, for a cluster that forwards.
    `answer`: the status with which its requests are answered instead of being sent; 0: they are sent. `tunnel`: connections are
    asked of its endpoints, for another host. `members` are the clusters that it is made of, when it has a fallback."""

    cluster: str
    weight: int = 1
    request_headers: HeaderEdit = NO_EDIT
    response_headers: HeaderEdit = NO_EDIT
    dial: tuple[str, int] | None = None
    answer: int = 0
    tunnel: Tunnel | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """Forward, by weight, to one or more clusters."""

    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class MirrorTarget:
    """A cluster that gets a copy, and of how many requests in a hundred."""

    cluster: str
    percent: float


@dataclass(frozen=True, slots=True)
class RouteInput:
    """One Envoy route: one match of one rule."""

    name: str
    origin: Ref | None
    match: HttpMatch | ConnectMatch
    action: Split | Redirect | DirectResponse
    rewrite: Rewrite | None = None
    timeout: float | None = None
    retries: Retries | None = None
    fault: Fault | None = None
    cors: Cors | None = None
    mirrors: tuple[MirrorTarget, ...] = ()
    hash_keys: tuple[HashKey, ...] = ()
    sticky: HashKey | None = None  # what a request is put into its part of a split by
    request_headers: HeaderEdit = NO_EDIT
    response_headers: HeaderEdit = NO_EDIT
    stat_prefix: str = ""
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class VirtualHostInput:
    """All that answers some spellings of one host."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[RouteInput, ...]
    origin: Ref | None = None
    require_tls: bool = False
    hosts: frozenset[str] = frozenset()
    origins: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteConfigurationInput:
    """A route configuration with all its virtual hosts, or, `on_demand`, with none: they are asked for one by one.
    `alternative`: where callers are told they may come as well (alt-svc)."""

    name: str
    virtual_hosts: tuple[VirtualHostInput, ...] = ()
    on_demand: bool = False
    ignore_port: bool = False
    guard: Guard = Guard()
    alternative: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class InboundRoutes:
    """The route configuration of one inbound port whose requests are read."""

    number: int
    guard: Guard
    limits: Limits = Limits()


# listeners


@dataclass(frozen=True, slots=True)
class HttpProxyListener:
    """Where an application sends what it would send to an HTTP proxy."""

    address: Address
    workload: str
    identity: str


@dataclass(frozen=True, slots=True)
class InnerListener:
    """Where what comes inside a CONNECT is routed."""

    workload: str
    identity: str


@dataclass(frozen=True, slots=True)
class UpstreamListener:
    """A local port that stands for one port of one service. `routes` names its route configuration; without one it is TCP, and
    goes to `targets`."""

    address: Address
    routes: str = ""
    targets: tuple[Target, ...] = ()
    hosts: frozenset[str] = frozenset()
    origins: tuple[Ref, ...] = ()
    workload: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class InboundListener:
    """Where the mesh reaches one port of the workload. `guard` is for a port whose bytes are not read: others have theirs in
    their routes."""

    number: int
    address: Address
    protocol: Protocol
    mode: MtlsMode
    trust_domains: tuple[str, ...]
    origins: tuple[Ref, ...] = ()
    guard: Guard = Guard()
    screening: Screening = Screening()
    tokens: tuple[JwtRule, ...] = ()  # of callers that may show some
    ends: "ServerTls | None" = None  # TLS of callers outside the mesh
    limits: Limits = Limits()  # of connections; those of requests stand in the routes
    slots: int = 0  # how many local limits of requests there are
    logins: tuple[Login, ...] = ()
    rules: TlsRules = TlsRules()  # of the mesh's mTLS


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS that ends at a gateway. `shown` names the secrets of its certificates (none: the server's files, or the mesh's own),
    `trusted` that of the authorities that callers' certificates are checked with."""

    server: Server
    shown: tuple[str, ...] = ()
    trusted: str = ""
    rules: TlsRules = TlsRules()


@dataclass(frozen=True, slots=True)
class L4Chain:
    """Connections whose SNI is among `sni_hosts` (none: all) and where they go. `tls`: only TLS; it ends here when `ends` is
    given, and passes unread otherwise. `sources` are the networks that the other end is of; none: anywhere."""

    sni_hosts: tuple[str, ...]
    targets: tuple[Target, ...]
    origin: Ref
    tls: bool = False
    ends: ServerTls | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpsChain:
    """TLS that ends at the gateway, for these SNI hosts (none: all); what is inside it is routed by `routes`."""

    sni_hosts: tuple[str, ...]
    routes: str
    ends: ServerTls


@dataclass(frozen=True, slots=True)
class GatewayListener:
    """One port of a gateway. `routes` names the route configuration of plain HTTP, when it is served."""

    port: int
    address: Address
    routes: str = ""
    https: tuple[HttpsChain, ...] = ()
    l4: tuple[L4Chain, ...] = ()
    trust_domains: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()
    origins: tuple[Ref, ...] = ()
    guard: Guard = Guard()  # of the connections whose bytes are not read
    screening: Screening = Screening()
    tokens: tuple[JwtRule, ...] = ()  # of callers that may show some
    limits: Limits = Limits()  # of connections; those of requests stand in the routes
    slots: int = 0  # how many local limits of requests there are
    logins: tuple[Login, ...] = ()
    bind: str = ""  # the address that its servers name


@dataclass(frozen=True, slots=True)
class DatagramListener:
    """One UDP port of a gateway; without a cluster what comes is dropped."""

    port: int
    address: Address
    cluster: str
    hosts: frozenset[str] = frozenset()
    origins: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True)
class QuicListener:
    """HTTP/3 beside the HTTPS chains of `beside`, of which it has only those that may."""

    beside: GatewayListener


ListenerInput = (
    HttpProxyListener | InnerListener | UpstreamListener | InboundListener | GatewayListener | QuicListener | DatagramListener
)
