"""Istio's Gateway into the model: servers, and the labels of the workloads that open them.

https://istio.io/latest/docs/reference/config/networking/gateway/
"""

from weft.model.gateway import Gateway, Server, ServerTls
from weft.model.labels import labels
from weft.ref import Ref
from weft.resource.istio.gateway import Gateway as Spec
from weft.resource.istio.gateway import Server as ServerSpec
from weft.resource.resource import Resource
from weft.translate.statement import Statement

_MODES = {
    "PASSTHROUGH": ServerTls.PASSTHROUGH,
    "AUTO_PASSTHROUGH": ServerTls.PASSTHROUGH,
    "SIMPLE": ServerTls.SIMPLE,
    "MUTUAL": ServerTls.MUTUAL,
    "OPTIONAL_MUTUAL": ServerTls.SIMPLE,
    "ISTIO_MUTUAL": ServerTls.ISTIO_MUTUAL,
}
_ENCRYPTED = ("HTTPS", "TLS")


def gateway(resource: Resource, spec: Spec) -> Statement:
    """A Gateway."""
    meta, ref = resource.meta, resource.ref
    servers = tuple(_server(one, meta.namespace, ref.at(f"spec.servers[{i}]")) for i, one in enumerate(spec.servers))
    said = Gateway(meta.namespace, meta.name, labels(spec.selector), servers, ref, meta.creation_timestamp)
    return Statement(ref, gateway=said)


def _server(spec: ServerSpec, namespace: str, origin: Ref) -> Server:
    protocol = spec.port.protocol.upper()
    hosts = tuple(dict.fromkeys(_host(host, namespace) for host in spec.hosts))
    tls = spec.tls
    if tls is None:
        return Server(spec.port.number, spec.port.name, protocol, hosts, origin)
    return Server(
        spec.port.number,
        spec.port.name,
        protocol,
        hosts,
        origin,
        _MODES[tls.mode] if protocol in _ENCRYPTED else ServerTls.NONE,
        tls.https_redirect,
        tls.server_certificate,
        tls.private_key,
        tls.ca_certificates,
        tls.credential_name,
    )


def _host(written: str, namespace: str) -> tuple[str, str]:
    """(namespace or `*`, host): `.` is the Gateway's own namespace."""
    owner, slash, host = written.rpartition("/")
    host = host.lower().removesuffix(".")
    if not slash:
        return "*", host
    return namespace if owner == "." else owner, host
