"""What one resource says, read alone. A mesh is what all statements say together."""

from dataclasses import dataclass

from weft.finding import Finding
from weft.model.authentication import KeySet
from weft.model.credential import Credential
from weft.model.defaults import TrafficDefaults
from weft.model.endpoint import Health, Locality
from weft.model.extension import EnvoyFilter
from weft.model.gateway import Gateway
from weft.model.guard import Guarding
from weft.model.labels import Labels
from weft.model.locality import TrafficDistribution
from weft.model.mesh_config import MeshConfig
from weft.model.route import RouteSet
from weft.model.security import PeerAuthentication
from weft.model.service import Service
from weft.model.sidecar import Sidecar
from weft.model.tls_settings import TlsSettings
from weft.model.traffic import ServicePolicy
from weft.ref import Ref
from weft.translate.gateway_api.tls_policy import TlsPolicy
from weft.translate.gateway_api.written import Said


@dataclass(frozen=True, slots=True)
class Instance:
    """A workload that may answer for services: a WorkloadEntry, or an endpoint written in a ServiceEntry. `key` is
    `namespace/name`, empty for the latter. `ports` are its own port numbers by name; `numbers`, where they are told, those that
    Services and policies know the same ports by, when a sidecar listens for it."""

    key: str
    namespace: str
    address: str
    ports: tuple[tuple[str, int], ...] = ()
    labels: Labels = ()
    service_account: str = ""
    locality: Locality = Locality()
    network: str = ""
    weight: int = 1
    mtls: bool = False
    health: Health = Health.HEALTHY
    numbers: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class TargetPort:
    """A port of a service, and which port of an instance answers for it: the one it knows by the number `target`, else the
    one of the same name, else the one named `target_name`, else `target`."""

    name: str
    number: int
    target: int
    target_name: str = ""


@dataclass(frozen=True, slots=True)
class Backing:
    """Where the endpoints of one service come from. An empty selector selects nothing, as in Kubernetes. `not_ready_too`: those
    that are not ready count as ready. `sliced`: the endpoints are those of the service's slices."""

    hostname: str
    namespace: str
    ports: tuple[TargetPort, ...]
    selector: Labels = ()
    instances: tuple[Instance, ...] = ()
    not_ready_too: bool = False
    sliced: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """Endpoints that somebody wrote down for the service `host`."""

    host: str
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A service that a resource names, and what it expects there. `port` 0: none is named, and `any_port` says whether
    that is enough (the caller's own port is meant)."""

    host: str
    origin: Ref
    subset: str = ""
    port: int = 0
    any_port: bool = True


@dataclass(frozen=True, slots=True)
class Need:
    """A Secret that a resource names, in the namespace of each proxy that it is for. `authorities`: what is needed of it are
    authorities to check peers with, which may also be in the Secret called like it with `-cacert` behind. `client`: it is the
    secret of an OpenID provider's client."""

    name: str
    origin: Ref
    authorities: bool = False
    client: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """What one resource says. `backings` stand beside `services`, one each. `gateways` are those it names, `needs` the Secrets.
    `api` is what is resolved by the rules of the Gateway API. `findings` are those of what it was read together with."""

    ref: Ref
    services: tuple[Service, ...] = ()
    backings: tuple[Backing, ...] = ()
    instance: Instance | None = None
    routes: RouteSet | None = None
    policy: ServicePolicy | None = None
    gateway: Gateway | None = None
    peer_authentication: PeerAuthentication | None = None
    references: tuple[Reference, ...] = ()
    gateways: tuple[tuple[str, Ref], ...] = ()
    api: Said | None = None
    findings: tuple[Finding, ...] = ()
    sidecar: Sidecar | None = None
    envoy_filter: EnvoyFilter | None = None
    credential: Credential | None = None
    needs: tuple[Need, ...] = ()
    guarding: Guarding | None = None
    tls_policy: TlsPolicy | None = None
    slice: Slice | None = None
    defaults: TrafficDefaults | None = None
    mesh_config: MeshConfig | None = None
    distribution: TrafficDistribution | None = None
    tls: TlsSettings | None = None
    key_set: KeySet | None = None
    federated: Ref | None = None
