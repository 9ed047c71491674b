"""The rules of the Gateway API's GatewayClass, Gateway, ListenerSet and ReferenceGrant, as its CustomResourceDefinitions enforce
them."""

import re

from weft.resource import names
from weft.resource.field_path import below, child, item
from weft.resource.gateway_api.gateway import (
    Gateway,
    GatewayAddress,
    Listener,
    ListenerNamespaces,
    ListenerTlsConfig,
    RouteNamespaces,
)
from weft.resource.gateway_api.gateway_class import GatewayClass
from weft.resource.gateway_api.listener_set import ListenerSet
from weft.resource.gateway_api.reference_grant import ReferenceGrant
from weft.resource.problems import Problems
from weft.resource.validation.labels import duplicates, labels

CERTIFICATE_FILE = "mesh.weft.dev/certificate-file"
PRIVATE_KEY_FILE = "mesh.weft.dev/private-key-file"

_CONTROLLER = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")
_PROTOCOLS = ("HTTP", "HTTPS", "TLS", "TCP", "UDP")
_MOST_LISTENERS = 64


def hostname(text: str) -> str:
    """What is wrong with a host name, perhaps with `*.` before it; empty when nothing is."""
    bare = text.removeprefix("*.")
    if names.is_ip(bare):
        return f"{text!r} is an IP address, and a name is needed"
    if "*" in bare:
        return f"{text[:80]!r} is not a host name: a wildcard stands first, as in *.example.com"
    return names.subdomain(bare)


def gateway_class(spec: GatewayClass, problems: Problems) -> None:
    """A controller is named by a domain and a path."""
    if not _CONTROLLER.fullmatch(spec.controller_name):
        problem = f"{spec.controller_name[:80]!r} is not the name of a controller"
        problems.invalid("spec.controllerName", problem, "mesh.weft.dev/gateway is this mesh's")


def gateway(spec: Gateway, problems: Problems) -> None:
    """The class, and each listener; no two alike."""
    problems.invalid("spec.gatewayClassName", names.subdomain(spec.gateway_class_name), "weft is always there")
    _listeners(spec.listeners, problems)
    for index, address in enumerate(spec.addresses):
        _address(address, item("spec.addresses", index), problems)
    if spec.infrastructure:
        labels(spec.infrastructure.labels, "spec.infrastructure.labels", problems)
        for key in spec.infrastructure.annotations:
            problems.invalid(child("spec.infrastructure.annotations", key), names.label_key(key))
    if spec.allowed_listeners and spec.allowed_listeners.namespaces:
        _namespaces(spec.allowed_listeners.namespaces, "spec.allowedListeners.namespaces", problems)


def listener_set(spec: ListenerSet, problems: Problems) -> None:
    """The Gateway, and each listener; no two alike."""
    if spec.parent_ref.namespace:
        problems.invalid("spec.parentRef.namespace", names.label(spec.parent_ref.namespace))
    _listeners(spec.listeners, problems)


def _listeners(listeners: tuple[Listener, ...], problems: Problems) -> None:
    if not listeners:
        problems.add("missing-field", "spec.listeners", name="listeners")
    if len(listeners) > _MOST_LISTENERS:
        problems.invalid("spec.listeners", f"{len(listeners)} listeners: at most {_MOST_LISTENERS} are allowed")
    placed = [(one, item("spec.listeners", index)) for index, one in enumerate(listeners)]
    for listener, path in placed:
        _listener(listener, path, problems)
    duplicates([(one.name, child(path, "name")) for one, path in placed], "the listener", problems)
    whole = [(f"{one.protocol} {one.port} {one.hostname}".strip(), path) for one, path in placed]
    duplicates(whole, "the combination of protocol, port and hostname", problems)


def _address(address: GatewayAddress, path: str, problems: Problems) -> None:
    if address.type == "IPAddress" and address.value and not names.is_ip(address.value):
        problems.invalid(child(path, "value"), f"{address.value[:60]!r} is not an IP address", "type: Hostname")
    if address.type == "Hostname" and address.value:
        problems.invalid(child(path, "value"), hostname(address.value))


def _listener(listener: Listener, path: str, problems: Problems) -> None:
    problems.invalid(child(path, "name"), names.subdomain(listener.name))
    protocol = listener.protocol
    if protocol not in _PROTOCOLS:
        words = {"name": repr(protocol[:40]), "effect": "the listener is not served", "hint": "one of " + ", ".join(_PROTOCOLS)}
        problems.add("unknown-protocol", child(path, "protocol"), **words)
    if listener.hostname:
        problems.invalid(child(path, "hostname"), hostname(listener.hostname))
        if protocol in ("TCP", "UDP"):
            problems.invalid(child(path, "hostname"), f"a listener with protocol {protocol} has no hostname")
    if listener.tls is not None and protocol in ("HTTP", "TCP", "UDP"):
        problems.invalid(child(path, "tls"), f"a listener with protocol {protocol} has no TLS", "write protocol: HTTPS or TLS")
    elif listener.tls is not None:
        _tls(listener.tls, protocol, child(path, "tls"), problems)
    elif protocol == "TLS":
        problems.add("missing-field", child(path, "tls"), name="tls (protocol TLS): mode Terminate or Passthrough")
    if listener.allowed_routes and listener.allowed_routes.namespaces:
        _namespaces(listener.allowed_routes.namespaces, below(path, "allowedRoutes", "namespaces"), problems)


def _tls(tls: ListenerTlsConfig, protocol: str, path: str, problems: Problems) -> None:
    if protocol == "HTTPS" and tls.mode != "Terminate":
        problems.invalid(child(path, "mode"), "a listener with protocol HTTPS ends TLS", "mode: Terminate")
    if tls.mode == "Terminate" and not tls.certificate_refs and not tls.options:
        problems.invalid(path, "certificateRefs or options are needed where TLS ends")
    for key in tls.options:
        problems.invalid(child(child(path, "options"), key), names.label_key(key))
        if key.startswith("mesh.weft.dev/") and key not in (CERTIFICATE_FILE, PRIVATE_KEY_FILE):
            problem = f"weft has no option {key}"
            problems.invalid(child(child(path, "options"), key), problem, f"{CERTIFICATE_FILE} and {PRIVATE_KEY_FILE}")


def _namespaces(namespaces: RouteNamespaces | ListenerNamespaces, path: str, problems: Problems) -> None:
    selector = namespaces.selector
    if namespaces.from_ == "Selector" and selector is None:
        problems.add("missing-field", child(path, "selector"), name="selector (from: Selector)")
    if selector is None:
        return
    if namespaces.from_ != "Selector":
        problems.add(
            "no-effect", child(path, "selector"), name="selector", why=f"from is {namespaces.from_}", hint="from: Selector"
        )
    labels(selector.match_labels, below(path, "selector", "matchLabels"), problems)
    for index, one in enumerate(selector.match_expressions):
        place = item(below(path, "selector", "matchExpressions"), index)
        problems.invalid(child(place, "key"), names.label_key(one.key))
        if (one.operator in ("In", "NotIn")) != bool(one.values):
            needed = "needs values" if not one.values else "takes no values"
            problems.invalid(child(place, "values"), f"the operator {one.operator} {needed}")


def reference_grant(spec: ReferenceGrant, problems: Problems) -> None:
    """Somebody may refer to something."""
    for name, entries in (("from", spec.from_), ("to", spec.to)):
        if not entries:
            problems.invalid(child("spec", name), "at least one is needed")
    for index, one in enumerate(spec.from_):
        problems.invalid(below(item("spec.from", index), "namespace"), names.label(one.namespace))
