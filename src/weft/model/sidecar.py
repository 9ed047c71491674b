"""What a Sidecar says of the proxies it is for: which hosts they know, and how they take what is sent to them."""

from dataclasses import dataclass, replace

from weft.hostname import full_name, matches
from weft.model.gateway import Server
from weft.model.labels import Labels
from weft.model.route import Destination
from weft.model.traffic import ConnectionPool
from weft.ref import Ref


@dataclass(frozen=True, slots=True)
class Egress:
    """Hosts that may be called on `port` (0: on every port that no other says): pairs of a namespace, `*`, or `.` for the
    caller's own, and a host or wildcard."""

    hosts: tuple[tuple[str, str], ...]
    port: int = 0

    def has(self, namespace: str, host: str) -> bool:
        """Whether `host`, as it is said in `namespace`, is among them."""
        return any(owner in ("*", namespace) and matches(pattern, host) for owner, pattern in self.hosts)


@dataclass(frozen=True, slots=True)
class Ingress:
    """One port of the workload, by the number it is known by or that the application has. `host` and `port`, or `socket`, are
    where the application listens, when that is said; an empty `host` is its own address."""

    number: int
    protocol: str = ""
    host: str = ""
    port: int = 0
    socket: str = ""
    pool: ConnectionPool | None = None
    tls: Server | None = None


@dataclass(frozen=True, slots=True)
class Sidecar:
    """`egress` without an entry: nothing is said of it; `egress_origin` is the Sidecar that says it, when it is inherited.
    `allow_any` None: nothing is said of hosts outside."""

    namespace: str
    origin: Ref
    selector: Labels = ()
    egress: tuple[Egress, ...] = ()
    ingress: tuple[Ingress, ...] = ()
    pool: ConnectionPool | None = None
    allow_any: bool | None = None
    egress_proxy: Destination | None = None
    created: str = ""
    egress_origin: Ref | None = None

    def over(self, other: "Sidecar") -> "Sidecar":
        """What is said here, and where nothing is said what `other` says of what may be called and of hosts outside."""
        said = self
        if not said.egress and other.egress:
            said = replace(said, egress=other.egress, egress_origin=other.egress_origin or other.origin)
        if said.allow_any is None and other.allow_any is not None:
            said = replace(said, allow_any=other.allow_any, egress_proxy=other.egress_proxy)
        return said

    def within(self, namespace: str, domain: str) -> "Sidecar":
        """The same for callers in `namespace`: one of the root namespace means each namespace by `.`."""
        if not any(owner == "." for one in self.egress for owner, _ in one.hosts):
            return self
        return replace(self, egress=tuple(_own(one, namespace, domain) for one in self.egress))

    def imports(self, namespace: str, host: str, port: int) -> bool:
        """Whether a proxy knows `host`, said in `namespace`, when it calls `port`."""
        if not self.egress:
            return True
        own = [one for one in self.egress if one.port == port] or [one for one in self.egress if not one.port]
        return any(one.has(namespace, host) for one in own)

    def serves(self, *numbers: int) -> Ingress | None:
        """What is said of the port that is known by one of `numbers`."""
        return next((one for one in self.ingress if one.number in numbers), None)


def _own(of: Egress, namespace: str, domain: str) -> Egress:
    return replace(
        of,
        hosts=tuple(
            (namespace, full_name(host, namespace, domain)) if owner == "." else (owner, host) for owner, host in of.hosts
        ),
    )
