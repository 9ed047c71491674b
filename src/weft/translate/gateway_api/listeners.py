"""GatewayClass, Gateway, ReferenceGrant and Namespace: what they say alone, and which listeners of a Gateway are served.

Each listener becomes a gateway of its own in the model, `namespace/name~listener`, which no Istio Gateway can be called.
https://gateway-api.sigs.k8s.io/reference/spec/#listener
"""

from collections.abc import Mapping
from dataclasses import dataclass

from weft.hostname import matches
from weft.model.gateway import Gateway as ModelGateway
from weft.model.gateway import Server, ServerTls
from weft.model.labels import Labels, labels
from weft.ref import Ref
from weft.resource.core.namespace import Namespace as NamespaceSpec
from weft.resource.gateway_api import gateway as spec
from weft.resource.gateway_api.gateway_class import GatewayClass as GatewayClassSpec
from weft.resource.gateway_api.reference_grant import ReferenceGrant
from weft.resource.resource import Resource
from weft.resource.validation.gateway_api import CERTIFICATE_FILE, PRIVATE_KEY_FILE
from weft.translate.gateway_api.written import (
    CONTROLLER,
    DEFAULT_CLASS,
    GROUP,
    Gateway,
    GatewayClass,
    Grant,
    Listener,
    Namespace,
    Place,
)
from weft.translate.statement import Statement

ROUTE_KINDS = ("HTTPRoute", "GRPCRoute")
_SERVED = ("HTTP", "HTTPS")
_NAME = "kubernetes.io/metadata.name"


# Alone


def gateway_class(resource: Resource, said: GatewayClassSpec) -> Statement:
    """A GatewayClass."""
    return Statement(resource.ref, api=GatewayClass(resource.meta.name, said.controller_name))


def namespace(resource: Resource, _: NamespaceSpec) -> Statement:
    """A Namespace."""
    return Statement(resource.ref, api=Namespace(resource.meta.name, labels(resource.meta.labels)))


def reference_grant(resource: Resource, said: ReferenceGrant) -> Statement:
    """A ReferenceGrant."""
    of = tuple((one.group, one.kind, one.namespace) for one in said.from_)
    to = tuple((one.group, one.kind, one.name) for one in said.to)
    return Statement(resource.ref, api=Grant(resource.ref, of, to))


def api_gateway(resource: Resource, said: spec.Gateway) -> Statement:
    """A Gateway."""
    meta, ref = resource.meta, resource.ref
    listeners = tuple(_listener(one, ref.at(f"spec.listeners[{i}]")) for i, one in enumerate(said.listeners))
    found = Gateway(meta.namespace, meta.name, said.gateway_class_name, listeners, ref, meta.creation_timestamp)
    return Statement(ref, api=found)


def _listener(said: spec.Listener, origin: Ref) -> Listener:
    allowed = said.allowed_routes or spec.AllowedRoutes()
    namespaces = allowed.namespaces or spec.RouteNamespaces()
    known = [one.kind for one in allowed.kinds if one.group == GROUP and one.kind in ROUTE_KINDS]
    tls = said.tls or spec.ListenerTlsConfig()
    files = tls.options.get(CERTIFICATE_FILE, ""), tls.options.get(PRIVATE_KEY_FILE, "")
    encrypted = said.protocol == "HTTPS"
    return Listener(
        said.name,
        said.port,
        said.protocol,
        said.hostname or "*",
        origin,
        ServerTls.SIMPLE if encrypted else ServerTls.NONE,
        *files,
        _unserved(tls) if encrypted and not all(files) else "",
        namespaces.from_,
        namespaces.selector,
        tuple(dict.fromkeys(known)) if allowed.kinds else ROUTE_KINDS,
        len(known) < len(allowed.kinds),
    )


def _unserved(tls: spec.ListenerTlsConfig) -> str:
    files = f"name files of the gateway's node in tls.options: {CERTIFICATE_FILE} and {PRIVATE_KEY_FILE}"
    if tls.certificate_refs:
        return f"certificates of Secrets are not served yet; {files}"
    return f"TLS ends here, and there is no certificate; {files}"


# Judged


@dataclass(frozen=True, slots=True)
class JudgedListener:
    """A listener, and whether it is served. `key` names its gateway in the model."""

    listener: Listener
    key: str
    conflicted: bool = False

    @property
    def accepted(self) -> bool:
        """Whether routes may attach."""
        return self.listener.protocol in _SERVED and not self.conflicted

    @property
    def served(self) -> bool:
        """Whether a port is opened."""
        return self.accepted and not self.listener.unserved


@dataclass(frozen=True, slots=True)
class JudgedGateway:
    """A Gateway of this mesh."""

    gateway: Gateway
    listeners: tuple[JudgedListener, ...]

    @property
    def served(self) -> tuple[ModelGateway, ...]:
        """What its workloads open."""
        return tuple(_model(self.gateway, one) for one in self.listeners if one.served)

    @property
    def walls(self) -> tuple[Place, ...]:
        """Hosts of listeners that another listener of the port covers: what no route of theirs takes ends there, and is never
        that other's (listener isolation)."""
        return tuple(
            Place(one.key, one.listener.hostname)
            for one in self.listeners
            if one.served and any(_covers(other, one) for other in self.listeners)
        )

    def isolated(self, of: JudgedListener, host: str) -> bool:
        """Whether requests for `host`, which `of` would take, are another listener's, whose hostname is nearer."""
        return any(_covers(of, other) and matches(other.listener.hostname, host) for other in self.listeners if other.accepted)


def judged(gateway: Gateway, classes: Mapping[str, GatewayClass]) -> JudgedGateway | None:
    """`gateway` when its class is this mesh's, else None. Listeners of one port that do not speak the same are all out."""
    if not is_ours(gateway.class_name, classes):
        return None
    spoken: dict[int, set[str]] = {}
    for one in gateway.listeners:
        spoken.setdefault(one.port, set()).add(one.protocol)
    found = tuple(JudgedListener(one, f"{gateway.key}~{one.name}", len(spoken[one.port]) > 1) for one in gateway.listeners)
    return JudgedGateway(gateway, found)


def is_ours(class_name: str, classes: Mapping[str, GatewayClass]) -> bool:
    """Whether a class is this mesh's; `weft` is unless somebody says otherwise."""
    known = classes.get(class_name)
    return known.controller == CONTROLLER if known else class_name == DEFAULT_CLASS


def _covers(wide: JudgedListener, narrow: JudgedListener) -> bool:
    one, other = wide.listener, narrow.listener
    return one.port == other.port and one.hostname != other.hostname and matches(one.hostname, other.hostname)


def _model(gateway: Gateway, of: JudgedListener) -> ModelGateway:
    one = of.listener
    server = Server(
        one.port,
        one.name,
        one.protocol,
        (("*", one.hostname),),
        one.origin,
        one.tls,
        files=((one.certificate_file, one.key_file),) if one.certificate_file else (),
    )
    name = f"{gateway.name}~{one.name}"
    return ModelGateway(gateway.namespace, name, gateway.selector, (server,), gateway.origin, gateway.created, True)


def chooses(of: Listener, gateway: str, namespace: str, own: Labels) -> bool:
    """Whether a listener of a Gateway in the namespace `gateway` takes routes of `namespace`, whose labels are `own`."""
    match of.allowed:
        case "All":
            return True
        case "Same":
            return gateway == namespace
        case "Selector" if of.selector:
            said = {_NAME: namespace, **dict(own)}
            wanted = of.selector.match_labels.items() <= said.items()
            return wanted and all(_holds(one, said) for one in of.selector.match_expressions)
        case _:
            return False


def _holds(one: spec.LabelSelectorRequirement, said: Mapping[str, str]) -> bool:
    match one.operator:
        case "In":
            return said.get(one.key) in one.values
        case "NotIn":
            return said.get(one.key) not in one.values
        case "Exists":
            return one.key in said
        case _:
            return one.key not in said
