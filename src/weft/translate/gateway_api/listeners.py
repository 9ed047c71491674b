"""GatewayClass, Gateway, ListenerSet, ReferenceGrant and Namespace: what they say alone. `judged` says which listeners are
served.

https://gateway-api.sigs.k8s.io/reference/spec/#listener
"""

from weft.model.gateway import ServerTls
from weft.model.labels import labels
from weft.ref import Ref
from weft.resource.core.namespace import Namespace as NamespaceSpec
from weft.resource.gateway_api import gateway as spec
from weft.resource.gateway_api.gateway_class import GatewayClass as GatewayClassSpec
from weft.resource.gateway_api.listener_set import ListenerSet as ListenerSetSpec
from weft.resource.gateway_api.reference import ObjectReference, SecretObjectReference
from weft.resource.gateway_api.reference_grant import ReferenceGrant
from weft.resource.resource import Resource
from weft.resource.validation.gateway import HTTP3
from weft.resource.validation.gateway_api import CERTIFICATE_FILE, PRIVATE_KEY_FILE
from weft.translate.gateway_api.written import (
    GROUP,
    ROUTE_KINDS,
    Frontend,
    Gateway,
    GatewayClass,
    Grant,
    Listener,
    ListenerSet,
    Namespace,
    Namespaces,
    ObjectRef,
)
from weft.translate.services import DISTRIBUTION, DISTRIBUTIONS
from weft.translate.statement import Statement


def gateway_class(resource: Resource, said: GatewayClassSpec) -> Statement:
    """A GatewayClass."""
    parameters = f"{said.parameters_ref.kind} {said.parameters_ref.name}" if said.parameters_ref else ""
    return Statement(resource.ref, api=GatewayClass(resource.meta.name, said.controller_name, parameters))


def namespace(resource: Resource, _: NamespaceSpec) -> Statement:
    """A Namespace."""
    placed = DISTRIBUTIONS.get(resource.meta.annotations.get(DISTRIBUTION, ""))
    return Statement(resource.ref, api=Namespace(resource.meta.name, labels(resource.meta.labels)), distribution=placed)


def reference_grant(resource: Resource, said: ReferenceGrant) -> Statement:
    """A ReferenceGrant."""
    of = tuple((one.group, one.kind, one.namespace) for one in said.from_)
    to = tuple((one.group, one.kind, one.name) for one in said.to)
    return Statement(resource.ref, api=Grant(resource.ref, of, to))


def api_gateway(resource: Resource, said: spec.Gateway) -> Statement:
    """A Gateway."""
    meta, ref = resource.meta, resource.ref
    allowed = (said.allowed_listeners or spec.AllowedListeners()).namespaces or spec.ListenerNamespaces()
    parameters = said.infrastructure.parameters_ref if said.infrastructure else None
    found = Gateway(
        meta.namespace,
        meta.name,
        said.gateway_class_name,
        _listeners(said.listeners, ref),
        ref,
        meta.creation_timestamp,
        Namespaces(allowed.from_, allowed.selector),
        tuple((one.type, one.value) for one in said.addresses),
        f"{parameters.kind} {parameters.name}" if parameters else "",
        _frontends(said.tls, ref),
        meta.annotations.get(HTTP3) == "true",
    )
    return Statement(ref, api=found)


def listener_set(resource: Resource, said: ListenerSetSpec) -> Statement:
    """A ListenerSet."""
    meta, ref, parent = resource.meta, resource.ref, said.parent_ref
    gateway = f"{parent.namespace or meta.namespace}/{parent.name}" if (parent.group, parent.kind) == (GROUP, "Gateway") else ""
    listeners = _listeners(said.listeners, ref)
    return Statement(ref, api=ListenerSet(meta.namespace, meta.name, gateway, listeners, ref, meta.creation_timestamp))


def _listeners(said: tuple[spec.Listener, ...], ref: Ref) -> tuple[Listener, ...]:
    return tuple(_listener(one, ref.at(f"spec.listeners[{i}]")) for i, one in enumerate(said))


def _listener(said: spec.Listener, origin: Ref) -> Listener:
    allowed = said.allowed_routes or spec.AllowedRoutes()
    namespaces = allowed.namespaces or spec.RouteNamespaces()
    tls = said.tls or spec.ListenerTlsConfig()
    able = _kinds(said.protocol, tls)
    known = [one.kind for one in allowed.kinds if one.group == GROUP and one.kind in able]
    files = tls.options.get(CERTIFICATE_FILE, ""), tls.options.get(PRIVATE_KEY_FILE, "")
    encrypted = _encrypted(said.protocol, tls)
    return Listener(
        said.name,
        said.port,
        said.protocol,
        said.hostname.lower() or "*",
        origin,
        encrypted,
        *files,
        _unserved(tls) if encrypted is ServerTls.SIMPLE and not all(files) else "",
        tuple(_object(one, origin) for one in tls.certificate_refs),
        Namespaces(namespaces.from_, namespaces.selector),
        tuple(dict.fromkeys(known)) if allowed.kinds else able,
        len(known) < len(allowed.kinds),
    )


def _kinds(protocol: str, tls: spec.ListenerTlsConfig) -> tuple[str, ...]:
    """The routes that a listener can take; what is inside TLS that ends here is also taken as it is."""
    more = ("TCPRoute",) if protocol == "TLS" and tls.mode == "Terminate" else ()
    return (*ROUTE_KINDS.get(protocol, ()), *more)


def _encrypted(protocol: str, tls: spec.ListenerTlsConfig) -> ServerTls:
    if protocol not in ("HTTPS", "TLS"):
        return ServerTls.NONE
    return ServerTls.PASSTHROUGH if protocol == "TLS" and tls.mode == "Passthrough" else ServerTls.SIMPLE


def _object(of: SecretObjectReference | ObjectReference, origin: Ref) -> ObjectRef:
    return ObjectRef(of.group, of.kind, of.namespace or origin.namespace, of.name)


def _frontends(said: spec.GatewayTlsConfig | None, ref: Ref) -> tuple[tuple[int, Frontend | None], ...]:
    """How callers are checked, by port; 0: of all others."""
    if said is None or said.frontend is None:
        return ()
    each = [(0, said.frontend.default), *((one.port, one.tls) for one in said.frontend.per_port)]
    return tuple((port, _frontend(one.validation, ref)) for port, one in each)


def _frontend(of: spec.FrontendTlsValidation | None, ref: Ref) -> Frontend | None:
    if of is None:
        return None
    return Frontend(tuple(_object(one, ref) for one in of.ca_certificate_refs), of.mode == "AllowInsecureFallback")


def _unserved(tls: spec.ListenerTlsConfig) -> str:
    if tls.certificate_refs:
        return ""
    return (
        "TLS ends here, and there is no certificate; name a Secret in certificateRefs, or files of the gateway's node in"
        f" tls.options: {CERTIFICATE_FILE} and {PRIVATE_KEY_FILE}"
    )

