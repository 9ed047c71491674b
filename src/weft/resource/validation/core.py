"""The rules of Kubernetes' core kinds and of weft's own."""

import re

from weft.protocol import KNOWN, WELL_KNOWN, declared
from weft.resource import names
from weft.resource.core.config_map import ConfigMap
from weft.resource.core.endpoint_slice import EndpointSlice
from weft.resource.core.secret import Secret
from weft.resource.core.service import Service, ServicePort
from weft.resource.field_path import child, item
from weft.resource.problems import Problems
from weft.resource.validation.labels import duplicates, labels
from weft.resource.weft.node import Node
from weft.resource.wording import close_name

_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)


def service(spec: Service, problems: Problems) -> None:
    """Ports with names that differ, a selector, an address."""
    labels(spec.selector, "spec.selector", problems)
    headless = spec.cluster_ip == "None" or spec.type == "ExternalName"
    if not spec.ports and not headless:
        problems.add("missing-field", "spec.ports", name="ports")
    if spec.cluster_ip not in ("", "None") and not names.is_ip(spec.cluster_ip):
        problems.invalid("spec.clusterIP", f"{spec.cluster_ip[:60]!r} is neither an IP address nor None")
    if spec.type == "ExternalName":
        problems.invalid("spec.externalName", names.host(spec.external_name))
    elif spec.external_name:
        why = f"the type is {spec.type}"
        problems.add("no-effect", "spec.externalName", name="externalName", why=why, hint="type: ExternalName")
    _affinity(spec, problems)
    for index, port in enumerate(spec.ports):
        _port(port, len(spec.ports) > 1, item("spec.ports", index), problems)
    duplicates([(port.name, f"spec.ports[{index}].name") for index, port in enumerate(spec.ports)], "the port name", problems)
    numbers = [(f"{port.port}/{port.protocol}", f"spec.ports[{index}].port") for index, port in enumerate(spec.ports)]
    duplicates(numbers, "the port", problems)


def _affinity(spec: Service, problems: Problems) -> None:
    """A time in seconds, as Kubernetes bounds it; it is a promise that is kept in any case."""
    config = spec.session_affinity_config.client_ip if spec.session_affinity_config else None
    path, seconds = "spec.sessionAffinityConfig.clientIP.timeoutSeconds", config.timeout_seconds if config else None
    if spec.session_affinity == "None" and spec.session_affinity_config is not None:
        why = "sessionAffinity is None"
        problems.add("no-effect", "spec.sessionAffinityConfig", name="sessionAffinityConfig", why=why, hint="")
    if seconds is not None and not 1 <= seconds <= 86_400:
        problems.invalid(path, f"{seconds} is not between 1 and 86400 seconds")


def _port(port: ServicePort, several: bool, path: str, problems: Problems) -> None:
    if port.name:
        problems.invalid(child(path, "name"), names.label(port.name))
    elif several:
        problems.add("missing-field", child(path, "name"), name="name (there are several ports)")
    match port.target_port:
        case int() as number if not 0 <= number <= 65535:
            problems.invalid(child(path, "targetPort"), f"{number} is not between 1 and 65535")
        case str() as name if not (len(name) <= 15 and _PORT_NAME.fullmatch(name)):
            problems.invalid(child(path, "targetPort"), f"{name[:40]!r} is not a port's name", "a number needs no quotes")
    if port.app_protocol:
        problems.invalid(child(path, "appProtocol"), names.label_key(port.app_protocol))
    _spoken(port, path, problems)
    if port.protocol != "TCP":
        effect = "only a UDPRoute leads to it" if port.protocol == "UDP" else "its traffic does not go through the mesh"
        problems.add("unsupported-value", child(path, "protocol"), value=port.protocol, effect=effect, hint="")


def _spoken(port: ServicePort, path: str, problems: Problems) -> None:
    """What neither `appProtocol` nor the name says is asked of the application, once, where weft runs it."""
    said = port.app_protocol or port.name
    if declared(said) or port.protocol != "TCP" or (port.port in WELL_KNOWN and not port.app_protocol):
        return
    effect = "an instance that weft runs is asked once, else its bytes are passed on as TCP"
    if port.app_protocol:
        close = close_name(said, KNOWN)
        hint = f"did you mean {close}?" if close else "one of " + ", ".join(KNOWN) + ", kubernetes.io/h2c, kubernetes.io/ws"
        problems.add("unknown-protocol", child(path, "appProtocol"), name=said, effect=effect, hint=hint)
    else:
        hint = f"name it http-{port.name}, for example, or set appProtocol" if port.name else "set appProtocol: http, for example"
        problems.add("undeclared-protocol", path, name=port.name or port.port, effect=effect, hint=hint)


def secret(spec: Secret, problems: Problems) -> None:
    """Keys that could be file names."""
    _keys(("data", "stringData"), (tuple(spec.data), tuple(spec.string_data)), problems)


def config_map(spec: ConfigMap, problems: Problems) -> None:
    """Keys that could be file names, none of them in both."""
    _keys(("data", "binaryData"), (tuple(spec.data), tuple(spec.binary_data)), problems)
    for key in spec.binary_data:
        if key in spec.data:
            problems.add("duplicate", child("binaryData", key), what="the key", name=key, hint="it is in data as well")


def endpoint_slice(spec: EndpointSlice, problems: Problems) -> None:
    """Addresses of the type that is said, and ports with different names."""
    if spec.address_type == "FQDN":
        effect, hint = "the slice has no endpoints", "write a ServiceEntry with resolution: DNS"
        problems.add("unsupported-value", "addressType", value="addressType: FQDN", effect=effect, hint=hint)
        return
    for number, one in enumerate(spec.endpoints):
        path = child(item("endpoints", number), "addresses")
        if not one.addresses:
            problems.add("missing-field", path, name="an address")
        for index, address in enumerate(one.addresses):
            if not names.is_ip(address) or (":" in address) != (spec.address_type == "IPv6"):
                problems.invalid(item(path, index), f"{address[:60]!r} is not an {spec.address_type} address")
    duplicates([(one.name, child(item("ports", i), "name")) for i, one in enumerate(spec.ports)], "the port", problems)


def _keys(fields: tuple[str, ...], keys: tuple[tuple[str, ...], ...], problems: Problems) -> None:
    for field, names_ in zip(fields, keys, strict=True):
        for key in names_:
            if not _KEY.fullmatch(key):
                problems.invalid(child(field, key), f"{key[:60]!r} is not a key: letters, digits, dashes, dots, underscores")


def node(spec: Node, problems: Problems) -> None:
    """Identities by name, or `*`."""
    for index, identity in enumerate(spec.identities):
        path = item("spec.identities", index)
        if identity.namespace != "*":
            problems.invalid(child(path, "namespace"), names.label(identity.namespace), "a namespace, or * for every one")
        if identity.service_account != "*":
            problem = names.subdomain(identity.service_account)
            problems.invalid(child(path, "serviceAccount"), problem, "a service account, or * for every one")
