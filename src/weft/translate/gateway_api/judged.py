"""Which listeners of a Gateway, and of the ListenerSets that it takes, are served.

Each listener becomes a gateway of its own in the model, `namespace/name~listener`, which no Istio Gateway can be called.
Listeners of one port must be told apart: of a Gateway's own all that clash are out, while one of a ListenerSet gives way to the
Gateway's and to those of older sets. https://gateway-api.sigs.k8s.io/reference/spec/#listenersetspec
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from weft.hostname import matches
from weft.model.gateway import Demands, Server, ServerTls
from weft.model.gateway import Gateway as ModelGateway
from weft.model.labels import Labels
from weft.resource.gateway_api.gateway import LabelSelectorRequirement
from weft.translate.gateway_api.certificates import NOTHING, Certified, Lookup, certified
from weft.translate.gateway_api.written import (
    CONTROLLER,
    DEFAULT_CLASS,
    Gateway,
    GatewayClass,
    Listener,
    ListenerSet,
    Namespaces,
    Place,
)

_FAMILIES = {"HTTP": "HTTP", "HTTPS": "TLS", "TLS": "TLS", "TCP": "TCP", "UDP": "UDP"}
_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class JudgedListener:
    """A listener, and whether it is served. `key` names its gateway in the model, `namespace` is that of its Gateway or
    ListenerSet. `conflict` is HostnameConflict, ProtocolConflict or nothing; `overlaps`: the hosts of another HTTPS listener
    meet its own."""

    listener: Listener
    key: str
    namespace: str
    conflict: str = ""
    overlaps: bool = False
    certified: Certified = NOTHING

    @property
    def known(self) -> bool:
        """Whether its protocol is served."""
        return self.listener.protocol in _FAMILIES

    @property
    def accepted(self) -> bool:
        """Whether routes may attach."""
        return self.known and not self.conflict and not self.certified.refused

    @property
    def served(self) -> bool:
        """Whether a port is opened."""
        one = self.listener
        shows = one.tls is not ServerTls.SIMPLE or bool(self.certified.credentials or one.certificate_file)
        return self.accepted and not one.unserved and shows


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """A ListenerSet that names a Gateway of this mesh, and whether it is taken."""

    set: ListenerSet
    allowed: bool
    listeners: tuple[JudgedListener, ...]

    @property
    def attached(self) -> bool:
        """Whether any of it holds."""
        return self.allowed and any(one.accepted for one in self.listeners)


@dataclass(frozen=True, slots=True)
class JudgedGateway:
    """A Gateway of this mesh: its own listeners, and the ListenerSets that name it, in order of precedence."""

    gateway: Gateway
    listeners: tuple[JudgedListener, ...]
    sets: tuple[JudgedSet, ...] = ()

    @property
    def all_listeners(self) -> tuple[JudgedListener, ...]:
        """Its own, and those of the ListenerSets that it takes."""
        return (*self.listeners, *(one for each in self.sets if each.allowed for one in each.listeners))

    @property
    def reads(self) -> frozenset[str]:
        """The credentials, and the namespaces of grants, that its certificates were looked up in."""
        everything = (*self.listeners, *(one for each in self.sets for one in each.listeners))
        return frozenset().union(*(one.certified.reads for one in everything))

    @property
    def served(self) -> tuple[ModelGateway, ...]:
        """What its workloads open."""
        return tuple(_model(self.gateway, one, self._misdirected(one)) for one in self.all_listeners if one.served)

    def _misdirected(self, of: JudgedListener) -> tuple[str, ...]:
        """The hostnames of the other listeners that share the port by names in TLS: whose TLS asked for this one and goes on
        with the host of another is in the wrong place. https://gateway-api.sigs.k8s.io/reference/spec/#listener"""
        if of.listener.protocol != "HTTPS":
            return ()
        others = (one for one in self.all_listeners if one.accepted and one.listener.port == of.listener.port)
        names = {one.listener.hostname for one in others if _FAMILIES.get(one.listener.protocol) == "TLS"}
        return tuple(sorted(names - {of.listener.hostname}))

    @property
    def walls(self) -> tuple[Place, ...]:
        """Hosts of listeners that another listener of the port covers: what no route of theirs takes ends there, and is never
        that other's (listener isolation)."""
        everything = self.all_listeners
        return tuple(
            Place(one.key, one.listener.hostname)
            for one in everything
            if one.served and any(_covers(other, one) for other in everything if other.accepted)
        )

    def isolated(self, of: JudgedListener, host: str) -> bool:
        """Whether requests for `host`, which `of` would take, are another listener's, whose hostname is nearer."""
        return any(
            _covers(of, other) and matches(other.listener.hostname, host) for other in self.all_listeners if other.accepted
        )


def judged(
    gateway: Gateway,
    classes: Mapping[str, GatewayClass],
    sets: Iterable[ListenerSet],
    own: Callable[[str], Labels],
    view: Lookup,
) -> JudgedGateway | None:
    """`gateway` when its class is this mesh's, else None. `sets` name it; `own` are the labels of a namespace, `view` is where
    its certificates are looked up."""
    if not is_ours(gateway.class_name, classes):
        return None
    taken: list[JudgedListener] = []
    listeners = _without_clashes(_named(gateway, gateway.listeners, gateway.namespace, ""), taken)
    found: list[tuple[ListenerSet, bool, tuple[JudgedListener, ...]]] = []
    for one in sorted(sets, key=lambda each: each.age):
        allowed = chooses(gateway.sets, gateway.namespace, one.namespace, own(one.namespace))
        named = _named(gateway, one.listeners, one.namespace, f"{one.namespace}.{one.name}~")
        found.append((one, allowed, _without_clashes(named, taken) if allowed else named))

    def done(of: tuple[JudgedListener, ...]) -> tuple[JudgedListener, ...]:
        return tuple(replace(one, certified=certified(gateway, one.listener, view)) for one in _marked(of, taken))

    sets_done = tuple(JudgedSet(one, allowed, done(each)) for one, allowed, each in found)
    return JudgedGateway(gateway, done(listeners), sets_done)


def is_ours(class_name: str, classes: Mapping[str, GatewayClass]) -> bool:
    """Whether a class is this mesh's; `weft` is unless somebody says otherwise."""
    known = classes.get(class_name)
    return known.controller == CONTROLLER if known else class_name == DEFAULT_CLASS


def _named(gateway: Gateway, listeners: Iterable[Listener], namespace: str, set: str) -> tuple[JudgedListener, ...]:
    return tuple(JudgedListener(one, f"{gateway.key}~{set}{one.name}", namespace) for one in listeners)


def _without_clashes(together: tuple[JudgedListener, ...], taken: list[JudgedListener]) -> tuple[JudgedListener, ...]:
    """Those that clash with one of `taken`, or with each other, marked; the others are `taken` from now on. One that is out
    already puts no other out."""
    found = tuple(replace(one, conflict=next(_clashes(one, taken), "")) for one in together)
    left = tuple(one for one in found if not one.conflict)
    found = tuple(replace(one, conflict=one.conflict or next(_clashes(one, left), "")) for one in found)
    taken += [one for one in found if one.accepted]
    return found


def _clashes(one: JudgedListener, others: Iterable[JudgedListener]) -> Iterator[str]:
    """Why the listener is not to be told from another; UDP has ports of its own."""
    family = _FAMILIES.get(one.listener.protocol, "")
    for other in others:
        of, against = one.listener, other.listener
        families = {family, _FAMILIES.get(against.protocol, "")}
        if other.key == one.key or of.port != against.port or "" in families or (len(families) > 1 and "UDP" in families):
            continue
        if len(families) > 1 or (of.hostname == against.hostname and of.protocol != against.protocol):
            yield "ProtocolConflict"
        elif of.hostname == against.hostname:
            yield "HostnameConflict"


def _marked(listeners: tuple[JudgedListener, ...], taken: list[JudgedListener]) -> tuple[JudgedListener, ...]:
    https = [one for one in taken if one.listener.protocol == "HTTPS"]
    return tuple(
        replace(one, overlaps=one in https and any(_covers(one, other) or _covers(other, one) for other in https))
        for one in listeners
    )


def _covers(wide: JudgedListener, narrow: JudgedListener) -> bool:
    one, other = wide.listener, narrow.listener
    alike = one.port == other.port and _FAMILIES.get(one.protocol) == _FAMILIES.get(other.protocol)
    return alike and one.hostname != other.hostname and matches(one.hostname, other.hostname)


def _model(gateway: Gateway, of: JudgedListener, misdirected: tuple[str, ...]) -> ModelGateway:
    one = of.listener
    checks = bool(of.certified.authorities)
    server = Server(
        one.port,
        one.name,
        one.protocol,
        (("*", one.hostname),),
        one.origin,
        ServerTls.MUTUAL if checks else one.tls,
        files=((one.certificate_file, one.key_file),) if one.certificate_file else (),
        credentials=of.certified.credentials,
        authorities=of.certified.authorities,
        demands=Demands(unverified=of.certified.fallback),
        http3=gateway.http3,
        misdirected=misdirected,
    )
    name = of.key.partition("/")[2]
    return ModelGateway(gateway.namespace, name, gateway.selector, (server,), gateway.origin, gateway.created, True)


def chooses(of: Namespaces, home: str, namespace: str, own: Labels) -> bool:
    """Whether what is in the namespace `home` takes what is in `namespace`, whose labels are `own`."""
    match of.allowed:
        case "All":
            return True
        case "Same":
            return home == namespace
        case "Selector" if of.selector:
            said = {_NAME: namespace, **dict(own)}
            wanted = of.selector.match_labels.items() <= said.items()
            return wanted and all(_holds(one, said) for one in of.selector.match_expressions)
        case _:
            return False


def _holds(one: LabelSelectorRequirement, said: Mapping[str, str]) -> bool:
    match one.operator:
        case "In":
            return said.get(one.key) in one.values
        case "NotIn":
            return said.get(one.key) not in one.values
        case "Exists":
            return one.key in said
        case _:
            return one.key not in said
