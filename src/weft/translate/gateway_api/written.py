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


class Place(NamedTuple):
    """Where rules of routes are merged: a listener (`namespace/name~listener`) or `mesh`, a host, and who sees it (a namespace
    or `*`)."""

    gateway: str
    host: str
    export: str = "*"


@dataclass(frozen=True, slots=True)
class GatewayClass:
    """A class, and whose it is."""

    name: str
    controller: str


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener as it is written. `hostname` `*` is every host. `kinds` are the routes it takes; `odd_kinds`: others were asked
    for too. `unserved`: why its certificate cannot be served, or nothing."""

    name: str
    port: int
    protocol: str
    hostname: str
    origin: Ref
    tls: ServerTls = ServerTls.NONE
    certificate_file: str = ""
    key_file: str = ""
    unserved: str = ""
    allowed: str = "Same"
    selector: LabelSelector | None = None
    kinds: tuple[str, ...] = ()
    odd_kinds: bool = False


@dataclass(frozen=True, slots=True)
class Gateway:
    """A Gateway as it is written."""

    namespace: str
    name: str
    class_name: str
    listeners: tuple[Listener, ...]
    origin: Ref
    created: str = ""

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def selector(self) -> Labels:
        """The labels of the workloads that serve it, in its namespace."""
        return ((GATEWAY_NAME, self.name),)


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
    """A backend's share of a rule's requests."""

    backend: Backend
    weight: int = 1
    request_headers: HeaderEdit = NO_EDIT
    response_headers: HeaderEdit = NO_EDIT


Rank = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Branch:
    """One match of a rule; the smaller `rank` is tried first."""

    rank: Rank
    match: HttpMatch


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `route` is what it does, without matches; where it forwards, its destinations are those of `shares` that turn
    out to exist. `broken`: why no request may pass, or nothing."""

    route: HttpRoute
    branches: tuple[Branch, ...]
    shares: tuple[Share, ...] = ()
    mirrors: tuple[tuple[Backend, float], ...] = ()
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """An HTTPRoute or GRPCRoute as it is written. No hostname is every host."""

    namespace: str
    origin: Ref
    parents: tuple[Parent, ...]
    hostnames: tuple[str, ...]
    rules: tuple[Rule, ...]
    created: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """Sorts routes: the smaller wins a tie."""
        return self.created, self.namespace, self.origin.name


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


Said = GatewayClass | Gateway | Route | Grant | Namespace
