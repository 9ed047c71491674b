"""The mesh: everything that was said, in one frozen value. The next mesh is made from the last one by `translate`.

Mappings are never changed after the mesh is made; a change makes a new mesh that shares all that stayed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from weft.hostname import DEFAULT_DOMAIN, Names
from weft.model.authentication import KeySet
from weft.model.backend_tls import BackendTls
from weft.model.credential import Credential
from weft.model.defaults import TrafficDefaults
from weft.model.endpoint import Endpoint
from weft.model.extension import EnvoyFilter
from weft.model.gateway import Gateway
from weft.model.guard import Guarding
from weft.model.locality import Demand, TrafficDistribution
from weft.model.mesh_config import MeshConfig
from weft.model.route import RouteSet
from weft.model.security import PeerAuthentication
from weft.model.service import Service
from weft.model.sidecar import Sidecar
from weft.model.tls_settings import NO_SETTINGS, TlsSettings
from weft.model.traffic import ServicePolicy
from weft.ref import Ref


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator set for the whole mesh."""

    trust_domain: str = "cluster.local"
    domain: str = DEFAULT_DOMAIN
    root_namespace: str = "istio-system"
    trust_domain_aliases: tuple[str, ...] = ()  # other names of the trust domain: peers and policies there count as its own
    explain_denials: bool = True  # answers of refused requests name the rule in a header, too
    allow_any: bool = True  # unknown external hosts pass (Istio's outboundTrafficPolicy ALLOW_ANY)


@dataclass(frozen=True, slots=True)
class Mesh:
    """All look-ups that scoping needs. Keys of `services`, `endpoints`, `routes` and `policies` are full host names;
    those beginning with `*` are wildcards, and only they are searched by pattern.

    `routes` holds what applies inside the mesh and at gateways alike (its RouteSets name their gateways); every host of
    a RouteSet is a key. Several entries of one key stand in order of precedence (the older first). `names` (of `services`) and
    `gateway_routes` (the RouteSets bound to each gateway, by `namespace/name`) are indices that `translate` makes; a mesh
    without them is searched instead. `demand` is measured, not said: by (host, port, subset).
    """

    settings: Settings = Settings()
    services: Mapping[str, tuple[Service, ...]] = field(default_factory=dict)
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    routes: Mapping[str, tuple[RouteSet, ...]] = field(default_factory=dict)
    policies: Mapping[str, tuple[ServicePolicy, ...]] = field(default_factory=dict)
    peer_authentications: Mapping[str, tuple[PeerAuthentication, ...]] = field(default_factory=dict)  # by namespace
    gateways: Mapping[str, Gateway] = field(default_factory=dict)  # by namespace/name
    envoy_filters: Mapping[str, tuple[EnvoyFilter, ...]] = field(default_factory=dict)  # by namespace, in order
    credentials: Mapping[str, Credential] = field(default_factory=dict)  # by their keys
    backend_tls: Mapping[str, tuple[BackendTls, ...]] = field(default_factory=dict)  # by host; that of a single port first
    names: Names | None = field(default=None, compare=False, repr=False)
    gateway_routes: Mapping[str, tuple[RouteSet, ...]] | None = field(default=None, compare=False, repr=False)
    demand: Mapping[tuple[str, int, str], tuple[Demand, ...]] = field(default_factory=dict)
    guards: Mapping[str, tuple[Guarding, ...]] = field(default_factory=dict)  # by namespace
    sidecars: Mapping[str, tuple[Sidecar, ...]] = field(default_factory=dict)  # by namespace, the older first
    addresses: Mapping[str, tuple[tuple[str, Ref], ...]] = field(default_factory=dict)  # of services: hosts, and who says so
    defaults: Mapping[str, tuple[TrafficDefaults, ...]] = field(default_factory=dict)  # by namespace
    configs: Mapping[str, tuple[MeshConfig, ...]] = field(default_factory=dict)  # by namespace, the older first
    tls: TlsSettings = NO_SETTINGS
    key_sets: Mapping[str, KeySet] = field(default_factory=dict)  # by address
    federated: Mapping[str, Ref] = field(default_factory=dict)  # other trust domains whose workloads are known

    @property
    def trust_domains(self) -> tuple[str, ...]:
        """Those whose workloads are known: the mesh's own first, its aliases, and the federated ones."""
        settings = self.settings
        return tuple(dict.fromkeys((settings.trust_domain, *settings.trust_domain_aliases, *sorted(self.federated))))

    distributions: Mapping[str, TrafficDistribution] = field(default_factory=dict)  # by namespace

    def nearest(self, host: str, namespace: str = "") -> tuple[str, ...]:
        """Up to three hosts of services, visible from `namespace` (empty: from anywhere), that an unknown `host` may mean."""
        names = self.names or Names(self.services)
        return names.nearest(host, fits=lambda known: not namespace or self._is_visible(known, namespace))

    def _is_visible(self, host: str, namespace: str) -> bool:
        return any("*" in one.export_to or namespace in one.export_to for one in self.services.get(host, ()))


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between two meshes, for those who hold something made from the first.

    `hosts`: keys of services, routes or policies that changed. `endpoints`: hosts whose endpoints changed (and nothing else of
    them). `credentials`: keys of those that changed. `everything`: a change that may touch any proxy (peer authentication,
    authorization, gateways, defaults, settings, wildcards)."""

    hosts: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset()
    everything: bool = False
    credentials: frozenset[str] = frozenset()

    def __or__(self, other: "Change") -> "Change":
        return Change(
            self.hosts | other.hosts,
            self.endpoints | other.endpoints,
            self.everything or other.everything,
            self.credentials | other.credentials,
        )
