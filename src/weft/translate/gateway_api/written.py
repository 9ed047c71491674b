"""What single resources of the Gateway API say, before it is known what they meet: the words of this package.

A route alone says what it wants. Which listeners take it, and which of its backends exist, is resolved in
`attachment`; which of several routes a request takes, in `merge`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from weft.model.gateway import ServerTls
from weft.model.labels import Labels
from weft.model.route import NO_EDIT, HeaderEdit, HttpMatch, HttpRoute
from weft.ref import Ref
from weft.resource.gateway_api.gateway import LabelSelector
from weft.resource.gateway_api.reference import ParentReference

GROUP = "gateway.networking.k8s.io"
CONTROLLER = "mesh.weft.dev/gateway"
DEFAULT_CLASS = "weft"
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"

_REQUESTS = ("HTTPRoute", "GRPCRoute")
ROUTE_KINDS = {"HTTP": _REQUESTS, "HTTPS": _REQUESTS, "TLS": ("TLSRoute",), "TCP": ("TCPRoute",), "UDP": ("UDPRoute",)}
"""The routes that a listener takes, by its protocol."""


class Place(NamedTuple):
    """Where rules of routes are merged: a listener (`namespace/name~listener`) or `mesh`, a host, and who sees it (a namespace
    or `*`)."""

    gateway: str
    host: str
    export: str = "*"


@dataclass(frozen=True, slots=True)
class GatewayClass:
    """A class, and whose it is. `parameters`: what it names as such."""

    name: str
    controller: str
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Whose routes or ListenerSets are taken: All, Same, Selector (those whose labels fit) or None."""

    allowed: str = "Same"
    selector: LabelSelector | None = None


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object that is named, with its namespace filled in."""

    group: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Frontend:
    """How callers' certificates are checked: the authorities; `fallback`: who fails it is let in all the same."""

    references: tuple[ObjectRef, ...]
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener as it is written, in a Gateway or a ListenerSet. `hostname` `*` is every host. `kinds` are the routes it takes;
    `odd_kinds`: others were asked for too. `unserved`: why its certificate cannot be served, or nothing.
    `certificates` are the Secrets it names, the files those of its node."""

    name: str
    port: int
    protocol: str
    hostname: str
    origin: Ref
    tls: ServerTls = ServerTls.NONE
    certificate_file: str = ""
    key_file: str = ""
    unserved: str = ""
    certificates: tuple[ObjectRef, ...] = ()
    namespaces: Namespaces = Namespaces()
    kinds: tuple[str, ...] = ()
    odd_kinds: bool = False


@dataclass(frozen=True, slots=True)
class Gateway:
    """A Gateway as it is written. `sets` are the namespaces whose ListenerSets it takes. `addresses` are (type, value) of those
    that are asked for. `parameters`: what its infrastructure names as such."""

    namespace: str
    name: str
    class_name: str
    listeners: tuple[Listener, ...]
    origin: Ref
    created: str = ""
    sets: Namespaces = Namespaces("None")
    addresses: tuple[tuple[str, str], ...] = ()
    parameters: str = ""
    frontends: tuple[tuple[int, Frontend | None], ...] = ()
    http3: bool = False

    def frontend_of(self, port: int) -> Frontend | None:
        """How callers of a port are checked: as is said for it, else as for all (0)."""
        said = dict(self.frontends)
        return said[port] if port in said else said.get(0)

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def selector(self) -> Labels:
        """The labels of the workloads that serve it, in its namespace."""
        return ((GATEWAY_NAME, self.name),)


@dataclass(frozen=True, slots=True)
class ListenerSet:
    """A ListenerSet as it is written. `gateway` is `namespace/name`; empty when its parent is something else."""

    namespace: str
    name: str
    gateway: str
    listeners: tuple[Listener, ...]
    origin: Ref
    created: str = ""

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def age(self) -> tuple[str, str]:
        """Sorts those of one Gateway: the smaller wins a conflict."""
        return self.created, self.key


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent that a route names, with its namespace filled in."""

    ref: ParentReference
    namespace: str
    origin: Ref

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.ref.name}"


@dataclass(frozen=True, slots=True)
class Backend:
    """An object that requests are sent to; `host` is the full name when it is a Service."""

    group: str
    kind: str
    namespace: str
    name: str
    host: str
    port: int
    origin: Ref


@dataclass(frozen=True, slots=True)
class Share:
    """A backend's share of a rule's requests. `authority`: what their Host becomes, or nothing."""

    backend: Backend
    weight: int = 1
    request_headers: HeaderEdit = NO_EDIT
    response_headers: HeaderEdit = NO_EDIT
    authority: str = ""


Rank = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Branch:
    """One match of a rule; the smaller `rank` is tried first."""

    rank: Rank
    match: HttpMatch


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `route` is what it does, without matches; where it forwards, its destinations are those of `shares` that turn
    out to exist. `unknown` are filters of kinds that nobody knows, `unsupported` is what cannot be done: then no request
    passes."""

    route: HttpRoute
    branches: tuple[Branch, ...]
    shares: tuple[Share, ...] = ()
    mirrors: tuple[tuple[Backend, float], ...] = ()
    unknown: tuple[tuple[Ref, str], ...] = ()
    unsupported: str = ""


@dataclass(frozen=True, slots=True)
class L4Rule:
    """Where connections, or datagrams, go."""

    name: str
    origin: Ref
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """A route of any kind as it is written. No hostname is every host."""

    namespace: str
    origin: Ref
    parents: tuple[Parent, ...]
    hostnames: tuple[str, ...]
    rules: tuple[Rule | L4Rule, ...]
    created: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """Sorts routes: the smaller wins a tie."""
        return self.created, self.namespace, self.origin.name

    @property
    def kind(self) -> str:
        """HTTPRoute, GRPCRoute, TLSRoute, TCPRoute or UDPRoute."""
        return self.origin.kind


@dataclass(frozen=True, slots=True)
class Grant:
    """A ReferenceGrant: (group, kind, namespace) of who may refer, (group, kind, name or nothing) to what."""

    origin: Ref
    of: tuple[tuple[str, str, str], ...]
    to: tuple[tuple[str, str, str], ...]

    def permits(self, who: Ref, group: str, kind: str, name: str) -> bool:
        """Whether the resource `who` may refer to an object of the grant's namespace."""
        said = (who.group, who.kind, who.namespace) in self.of
        return said and any((one[0], one[1]) == (group, kind) and one[2] in ("", name) for one in self.to)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace's labels, by which listeners choose whose routes they take."""

    name: str
    labels: Labels


Said = GatewayClass | Gateway | ListenerSet | Route | Grant | Namespace
