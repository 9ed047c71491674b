"""Which clusters a destination becomes, and what each of them is.

A service in the mesh has endpoints with a sidecar and, perhaps, endpoints without one. Envoy cannot mix HTTP/2 over mTLS and
plaintext in one cluster, so the second kind has a cluster of its own (`outbound-plain|...`) and the traffic is split by the
weights of the healthy endpoints. A cluster never turns from one kind into the other. A DestinationRule that says a TLS mode
takes the choice away: one cluster then has all.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from ipaddress import ip_address

from weft.compile.scope.inputs import MeshTls, OriginatedTls, Plaintext, Transport
from weft.envoy.names import (
    certificate_secret,
    listed_trust_secret,
    outbound_cluster,
    passed_cluster,
    plain_cluster,
    trust_secret,
)
from weft.identity import SpiffeId
from weft.model import precedence
from weft.model.backend_tls import BackendTls
from weft.model.endpoint import Endpoint, Health, Locality
from weft.model.labels import Labels, selects
from weft.model.mesh import Mesh
from weft.model.mtls import at_endpoint
from weft.model.precedence import Limit
from weft.model.route import Destination
from weft.model.security import MtlsMode
from weft.model.service import Location, Protocol, Resolution, Service, ServicePort
from weft.model.sidecar import Sidecar
from weft.model.traffic import ClientTls, ConsistentHash, HashKey, HashOnCaller, LoadBalancing, PortPolicy, ServicePolicy, TlsMode
from weft.ref import Ref


@dataclass(frozen=True, slots=True)
class Caller:
    """What of a proxy decides how it sees others. `gateway`: `mesh` for a sidecar, else the key of the Gateway it serves.
    `edge`: it is a gateway's proxy. `sidecar`: the Sidecar that it obeys."""

    namespace: str
    labels: Labels
    gateway: str = precedence.MESH
    edge: bool = False
    locality: Locality = Locality()
    network: str = ""
    node: str = ""
    sidecar: Sidecar | None = None

    def limit(self, port: int) -> Limit | None:
        """What the caller may know of when it calls `port` (0: 80); None: everything that it sees."""
        return Limit(self.sidecar, port or 80) if self.sidecar and self.sidecar.egress else None

    @property
    def obeys(self) -> Ref | None:
        """The Sidecar that was written for it, which decides all that it obeys in its namespace."""
        return self.sidecar.origin if self.sidecar else None

    @property
    def rules(self) -> Ref | None:
        """What limits it, by name."""
        return (self.sidecar.egress_origin or self.sidecar.origin) if self.sidecar else None


@dataclass(frozen=True, slots=True)
class Share:
    """A cluster, and what part of a destination's traffic is its."""

    cluster: str
    weight: Fraction
    dial: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """A destination that exists: the service's port, the policy that applies, and its endpoints of both kinds."""

    service: Service
    port: ServicePort
    subset: str
    policy: PortPolicy
    rule: ServicePolicy | None
    meshed: tuple[Endpoint, ...]
    plain: tuple[Endpoint, ...]
    origins: tuple[Ref, ...] = ()

    @property
    def key(self) -> tuple[str, int, str]:
        """What tells it from others: host, port, subset."""
        return self.service.hostname, self.port.number, self.subset

    @property
    def hash_key(self) -> HashKey | None:
        """What requests are hashed by, under a consistent hash."""
        balancing = self.policy.load_balancing
        return balancing.algorithm.key if balancing and isinstance(balancing.algorithm, ConsistentHash) else None


@dataclass(frozen=True, slots=True)
class Missing:
    """A destination that does not exist, and why."""

    why: str


def reached(mesh: Mesh, caller: Caller, to: Destination, asked_port: int) -> Reached | Missing:
    """The destination as the caller sees it. `asked_port` counts when the destination names none and the service has several."""
    service = precedence.service(mesh, to.host, caller.namespace)
    if service is None:
        return Missing(f"no service {to.host} is known")
    number = to.port or (service.ports[0].number if len(service.ports) == 1 else asked_port)
    port = service.port(number)
    if port is None:
        return Missing(f"{to.host} has no port {number}: it has {_listed(service)}")
    rule = precedence.policy(mesh, service, caller.namespace, caller.labels)
    subset = next((one for one in rule.subsets if one.name == to.subset), None) if rule and to.subset else None
    if to.subset and subset is None:
        return Missing(f"no DestinationRule defines the subset {to.subset} of {to.host}")
    defaults = precedence.defaults(mesh, service.namespace)
    policy = defaults.under(precedence.port_policy(rule, number, to.subset))
    if service.affinity and policy.load_balancing is None:
        policy = replace(policy, load_balancing=LoadBalancing(ConsistentHash(HashOnCaller())))
    wanted = subset.labels if subset else ()
    fitting = [
        one
        for one in precedence.endpoints(mesh, service)
        if one.port_name == port.name and (not wanted or selects(wanted, one.labels))
    ]
    backend = None if policy.tls else _backend_tls(mesh, service, port)
    if backend:
        policy = replace(policy, tls=_as_client(backend))
    meshed, plain = _by_kind(mesh, service, port, policy, fitting)
    origins = (service.origin, *((rule.origin,) if rule else ()), *((backend.origin,) if backend else ()), *defaults.origins)
    return Reached(service, port, to.subset, policy, rule, meshed, plain, origins)


def _backend_tls(mesh: Mesh, service: Service, port: ServicePort) -> BackendTls | None:
    """What the service's own namespace says of TLS; a DestinationRule that writes its own comes before it."""
    return next((one for one in mesh.backend_tls.get(service.hostname, ()) if one.port in ("", port.name)), None)


def _as_client(of: BackendTls) -> ClientTls:
    return ClientTls(TlsMode.SIMPLE, subject_alt_names=of.names, sni=of.hostname, authorities=of.authorities)


def _by_kind(
    mesh: Mesh, service: Service, port: ServicePort, policy: PortPolicy, endpoints: list[Endpoint]
) -> tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    """With a sidecar that takes mTLS, and without. One kind only where a TLS mode is written, the service is outside or datagrams
    are sent: no sidecar takes those."""
    if policy.tls or service.location is Location.EXTERNAL:
        return tuple(endpoints), ()
    if port.protocol is Protocol.UDP:
        return (), tuple(endpoints)
    meshed: list[Endpoint] = []
    plain: list[Endpoint] = []
    for one in endpoints:
        (meshed if one.mtls and _takes_mtls(mesh, one, port) else plain).append(one)
    return tuple(meshed), tuple(plain)


def _takes_mtls(mesh: Mesh, of: Endpoint, port: ServicePort) -> bool:
    """Whether the endpoint's own PeerAuthentication leaves mTLS on (its port-level word is about the workload's port)."""
    return at_endpoint(mesh, of, port).mode is not MtlsMode.DISABLE


def _listed(service: Service) -> str:
    return ", ".join(f"{port.number} ({port.name or port.protocol.value})" for port in service.ports) or "none"


def shares(of: Reached) -> tuple[Share, ...]:
    """The clusters that stand for the destination; their weights add up to one."""
    service, port = of.service, of.port
    main = outbound_cluster(port.number, of.subset, service.hostname)
    if forwards(of):
        return _dialled(of, main)
    plain = plain_cluster(port.number, of.subset, service.hostname)
    with_sidecar, without = _weight(of.meshed), _weight(of.plain)
    if not with_sidecar and not without:
        return (Share(plain if of.plain and not of.meshed else main, Fraction(1)),)
    total = with_sidecar + without
    both = (Share(main, Fraction(with_sidecar, total)), Share(plain, Fraction(without, total)))
    return tuple(share for share in both if share.weight)


def _weight(endpoints: tuple[Endpoint, ...]) -> int:
    return sum(one.weight for one in endpoints if one.health is Health.HEALTHY)


def forwards(of: Reached) -> bool:
    """Whether the endpoints are names to resolve, which Envoy's endpoint discovery does not take."""
    if of.service.resolution is Resolution.STATIC:
        return False
    return not of.meshed or any(not is_ip(one.address) for one in of.meshed)


def _dialled(of: Reached, cluster: str) -> tuple[Share, ...]:
    number = of.port.target_port or of.port.number
    if not of.meshed:
        host = of.service.hostname
        return (Share(cluster, Fraction(1), None if host.startswith("*") else (host, number)),)
    total = sum(one.weight for one in of.meshed) or 1
    named = sorted((one.address, one.port, one.weight) for one in of.meshed)
    return tuple(Share(cluster, Fraction(weight, total), (address, port or number)) for address, port, weight in named if weight)


def is_ip(text: str) -> bool:
    """Whether `text` is an IP address and not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_socket(text: str) -> bool:
    """Whether `text` is a Unix socket of the proxy's machine."""
    return text.startswith("unix://")


def transport(mesh: Mesh, of: Reached, plain: bool, caller: Caller) -> Transport:
    """How the endpoints of one kind are spoken to by `caller`."""
    tls = of.policy.tls
    sni = passed_cluster(of.port.number, of.subset, of.service.hostname)
    match tls.mode if tls else None:
        case TlsMode.DISABLE:
            return Plaintext()
        case TlsMode.SIMPLE | TlsMode.MUTUAL if tls:
            known = tls.subject_alt_names or of.service.subject_alt_names
            return replace(_originated(replace(tls, subject_alt_names=known), of, caller), rules=mesh.tls.others)
        case TlsMode.ISTIO_MUTUAL if tls:
            names = tls.subject_alt_names or _expected(mesh, of.service)
            return MeshTls(names, mesh.settings.trust_domain, tls.sni or sni, mesh.tls.mesh)
    if plain or of.service.location is Location.EXTERNAL or of.service.resolution is Resolution.NONE:
        return Plaintext()
    return MeshTls(_expected(mesh, of.service), mesh.settings.trust_domain, sni, mesh.tls.mesh)


def _expected(mesh: Mesh, of: Service) -> tuple[str, ...]:
    """Whom a peer may be: what the ServiceEntry says, and with it the accounts of its endpoints, or those alone."""
    return tuple(sorted({*of.subject_alt_names, *identities(mesh, of)}))


def _originated(tls: ClientTls, of: Reached, caller: Caller) -> OriginatedTls:
    """A Secret is of the caller's namespace. Without a workload selector it is for gateways alone, as in Istio: a sidecar then
    has no certificate to show, and the system's authorities."""
    sni = tls.sni or ("" if of.service.hostname.startswith("*") else of.service.hostname)
    if tls.authorities:
        return OriginatedTls(tls, sni, "", listed_trust_secret(tls.authorities))
    if not tls.credential_name:
        return OriginatedTls(tls, sni)
    if not caller.edge and not (of.rule and of.rule.workload_selector):
        return OriginatedTls(replace(tls, mode=TlsMode.SIMPLE, credential_name=""), sni)
    shown = certificate_secret(caller.namespace, tls.credential_name) if tls.mode is TlsMode.MUTUAL else ""
    trusted = "" if tls.insecure_skip_verify else trust_secret(caller.namespace, tls.credential_name)
    return OriginatedTls(tls, sni, shown, trusted)


def identities(mesh: Mesh, of: Service) -> tuple[str, ...]:
    """Whom the service's endpoints may be: the identities of all of them, so that a subset coming or going changes nothing."""
    accounts = {
        (one.namespace, one.service_account) for one in precedence.endpoints(mesh, of) if one.mtls and one.service_account
    }
    domains = (mesh.settings.trust_domain, *mesh.settings.trust_domain_aliases)
    return tuple(str(SpiffeId(domain, namespace, account)) for namespace, account in sorted(accounts) for domain in domains)
