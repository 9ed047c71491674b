"""Istio's Gateway into the model: servers, and the labels of the workloads that open them.

https://istio.io/latest/docs/reference/config/networking/gateway/
"""

from collections.abc import Iterator
from ipaddress import ip_address

from weft.model.gateway import Demands, Gateway, Server, ServerTls
from weft.model.labels import labels
from weft.ref import Ref
from weft.resource.istio.gateway import Gateway as Spec
from weft.resource.istio.gateway import Port, ServerTlsSettings
from weft.resource.istio.gateway import Server as ServerSpec
from weft.resource.resource import Resource
from weft.resource.validation.gateway import CIPHERS, HTTP3
from weft.translate.statement import Need, Statement

_MODES = {
    "PASSTHROUGH": ServerTls.PASSTHROUGH,
    "AUTO_PASSTHROUGH": ServerTls.AUTO_PASSTHROUGH,
    "SIMPLE": ServerTls.SIMPLE,
    "MUTUAL": ServerTls.MUTUAL,
    "OPTIONAL_MUTUAL": ServerTls.OPTIONAL_MUTUAL,
    "ISTIO_MUTUAL": ServerTls.ISTIO_MUTUAL,
}
_VERSIONS = {
    "TLS_AUTO": "",
    "TLSV1_0": "TLSv1_0",
    "TLSV1_1": "TLSv1_1",
    "TLSV1_2": "TLSv1_2",
    "TLSV1_3": "TLSv1_3",
}
_ENCRYPTED = ("HTTPS", "TLS")


def gateway(resource: Resource, spec: Spec) -> Statement:
    """A Gateway."""
    meta, ref = resource.meta, resource.ref
    http3 = meta.annotations.get(HTTP3) == "true"
    servers = tuple(_server(one, meta.namespace, ref.at(f"spec.servers[{i}]"), http3) for i, one in enumerate(spec.servers))
    said = Gateway(meta.namespace, meta.name, labels(spec.selector), servers, ref, meta.creation_timestamp)
    return Statement(ref, gateway=said, needs=tuple(_needs(spec, ref)))


def _server(spec: ServerSpec, namespace: str, origin: Ref, http3: bool) -> Server:
    protocol = spec.port.protocol.upper()
    hosts = tuple(dict.fromkeys(_host(host, namespace) for host in spec.hosts))
    tls = spec.tls
    bind = str(ip_address(spec.bind)) if spec.bind else ""
    if tls is None:
        return Server(spec.port.number, spec.port.name, protocol, hosts, origin, bind=bind)
    mode = _MODES[tls.mode] if protocol in _ENCRYPTED else ServerTls.NONE
    names = credential_names(tls)
    files: tuple[tuple[str, str], ...] = (
        ((tls.server_certificate, tls.private_key),) if tls.server_certificate and not names else ()
    )
    files += tuple((one.server_certificate, one.private_key) for one in tls.tls_certificates)
    return Server(
        spec.port.number,
        spec.port.name,
        protocol,
        hosts,
        origin,
        mode,
        tls.https_redirect,
        files,
        tls.ca_certificates or next((one.ca_certificates for one in tls.tls_certificates if one.ca_certificates), ""),
        tls.ca_crl,
        names,
        (tls.ca_cert_credential_name,) if tls.ca_cert_credential_name else (),
        _demands(tls),
        http3,
        bind=bind,
    )


def ended_by(tls: ServerTlsSettings, number: int, origin: Ref) -> Server:
    """TLS that ends at a sidecar's port."""
    return _server(ServerSpec(port=Port(number=number, protocol="TLS", name=""), hosts=("*",), tls=tls), "", origin, False)


def credential_names(tls: ServerTlsSettings) -> tuple[str, ...]:
    """The Secrets whose certificates a server shows."""
    return tuple(dict.fromkeys(name for name in (tls.credential_name, *tls.credential_names) if name))


def _demands(tls: ServerTlsSettings) -> Demands:
    return Demands(
        _VERSIONS[tls.min_protocol_version],
        _VERSIONS[tls.max_protocol_version],
        tuple(one for one in tls.cipher_suites if one in CIPHERS),
        tls.subject_alt_names,
        tls.verify_certificate_spki,
        tls.verify_certificate_hash,
    )


def _needs(spec: Spec, ref: Ref) -> Iterator[Need]:
    """The Secrets that servers name. Without others, the authorities are those of the first one."""
    for index, server in enumerate(spec.servers):
        tls, at = server.tls, ref.at(f"spec.servers[{index}].tls")
        if tls is None or server.port.protocol.upper() not in _ENCRYPTED:
            continue
        if tls.credential_name:
            yield Need(tls.credential_name, at.at("credentialName"))
        for number, name in enumerate(tls.credential_names):
            yield Need(name, at.at(f"credentialNames[{number}]"))
        names = credential_names(tls)
        if tls.ca_cert_credential_name:
            yield Need(tls.ca_cert_credential_name, at.at("caCertCredentialName"), True)
        elif _MODES[tls.mode].asks and names and not tls.ca_certificates:
            yield Need(names[0], at.at("credentialName"), True)


def _host(written: str, namespace: str) -> tuple[str, str]:
    """(namespace or `*`, host): `.` is the Gateway's own namespace."""
    owner, slash, host = written.rpartition("/")
    host = host.lower().removesuffix(".")
    if not slash:
        return "*", host
    return namespace if owner == "." else owner, host
