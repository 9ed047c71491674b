"""A service: a name that callers use, its ports, and where its endpoints come from."""

from dataclasses import dataclass
from enum import Enum

from weft.model.locality import TrafficDistribution
from weft.protocol import Protocol as Protocol
from weft.protocol import protocol as protocol
from weft.ref import Ref


class Location(Enum):
    """Whether the service is within the mesh (its endpoints speak mesh mTLS) or outside it."""

    INTERNAL = "internal"
    EXTERNAL = "external"


class Resolution(Enum):
    """How endpoints are found. STATIC: they are listed or registered. DNS: the host or endpoint names are resolved by the
    agent. NONE: the caller's own destination address, or for HTTP the request's host, is used."""

    STATIC = "static"
    DNS = "dns"
    DNS_ROUND_ROBIN = "dns-round-robin"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a service, by the number callers use."""

    number: int
    name: str
    protocol: Protocol
    target_port: int = 0  # of the endpoints, where they do not say it themselves; 0: the number


@dataclass(frozen=True, slots=True)
class Service:
    """A name with ports. `hostname` is the full name (`reviews.default.svc.cluster.local`) or an external host, perhaps a
    wildcard. `export_to` holds namespaces, or `*`."""

    hostname: str
    namespace: str
    name: str
    ports: tuple[ServicePort, ...]
    origin: Ref
    location: Location = Location.INTERNAL
    resolution: Resolution = Resolution.STATIC
    export_to: tuple[str, ...] = ("*",)
    subject_alt_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    created: str = ""  # creation time, RFC 3339: the older wins a conflict
    distribution: TrafficDistribution | None = None
    affinity: bool = False  # a caller keeps its endpoint, unless a DestinationRule balances otherwise
    headless: bool = False  # its instances have names of their own: `instance.service.namespace.svc.domain`
    instance: str = ""  # the one that this name is of
    alias: str = ""  # the host that it is another name of

    @property
    def backed_by(self) -> str:
        """The host whose endpoints and policies it has."""
        return self.hostname.partition(".")[2] if self.instance else self.hostname

    def port(self, number: int) -> ServicePort | None:
        """The port that callers know by `number`."""
        return next((port for port in self.ports if port.number == number), None)
