"""The rules of Gateway."""

import re

from weft.resource import names
from weft.resource.field_path import below, child, item
from weft.resource.istio.gateway import Gateway, Server, ServerTlsSettings
from weft.resource.problems import Problems
from weft.resource.validation.labels import duplicates, labels
from weft.resource.wording import close_name

_PLAIN = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "TCP", "MONGO", "MYSQL", "REDIS", "UDP")
_TLS = ("HTTPS", "TLS")
_SERVED = ("HTTP", "HTTP2", "GRPC", "HTTPS", "TLS", "TCP")
_HTTP = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
_VERSIONS = ("TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3")
_MOST_CERTIFICATES = 2

HTTP3 = "mesh.weft.dev/http3"
"""The annotation of a Gateway, of Istio's kind or the Gateway API's, that has its HTTPS ports speak HTTP/3 as well: `true`."""

CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA", "AES128-GCM-SHA256", "AES256-GCM-SHA384",
    "AES128-SHA", "AES256-SHA",
)  # fmt: skip
"""The cipher suites of TLS 1.2 and older that Envoy knows."""


def gateway(spec: Gateway, problems: Problems) -> None:
    """The selector, and each server."""
    labels(spec.selector, "spec.selector", problems)
    if not spec.servers:
        problems.add("missing-field", "spec.servers", name="servers")
    for index, server in enumerate(spec.servers):
        _server(server, item("spec.servers", index), problems)
    duplicates([(server.port.name, f"spec.servers[{index}].port.name") for index, server in enumerate(spec.servers)],
               "the port name", problems)  # fmt: skip
    named = [(server.name, f"spec.servers[{index}].name") for index, server in enumerate(spec.servers) if server.name]
    duplicates(named, "the server", problems)
    _same_port(spec, problems)


def _same_port(spec: Gateway, problems: Problems) -> None:
    """Servers that share a port must agree on whether it speaks TLS."""
    first: dict[tuple[int, str], tuple[bool, str]] = {}
    for index, server in enumerate(spec.servers):
        secure, path = server.port.protocol.upper() in _TLS, item("spec.servers", index)
        before = first.setdefault((server.port.number, server.bind), (secure, path))
        if before[0] != secure:
            problem = f"port {server.port.number} speaks {'plaintext' if secure else 'TLS'} at {before[1]}"
            problems.invalid(below(path, "port", "protocol"), problem, "give one of them another port")


def _server(server: Server, path: str, problems: Problems) -> None:
    protocol = server.port.protocol.upper()
    _protocol(protocol, below(path, "port", "protocol"), problems)
    if not server.port.name:
        problems.add("missing-field", below(path, "port", "name"), name="name")
    _hosts(server, path, problems)
    if server.bind.startswith("unix://"):
        hint = "an IP address: callers of a gateway come over the network"
        problems.invalid(child(path, "bind"), "gateways do not listen at Unix sockets", hint)
    elif server.bind and not names.is_ip(server.bind):
        problems.invalid(child(path, "bind"), f"{server.bind[:80]!r} is not an IP address")
    if protocol in _TLS:
        if server.tls is None:
            problems.invalid(child(path, "tls"), f"a server with protocol {protocol} needs tls", "tls: {mode: SIMPLE, ...}")
        else:
            _tls(server.tls, protocol, child(path, "tls"), problems)
    elif server.tls is not None and protocol in _PLAIN:
        _plain_tls(server.tls, protocol, child(path, "tls"), problems)


def _protocol(protocol: str, path: str, problems: Problems) -> None:
    if protocol not in (*_PLAIN, *_TLS):
        close = close_name(protocol, (*_PLAIN, *_TLS))
        hint = f"did you mean {close}?" if close else "one of " + ", ".join(_SERVED)
        problems.invalid(path, f"{protocol[:40]!r} is not a protocol", hint)
    elif protocol not in _SERVED:
        effect = "it is served as HTTP" if protocol == "GRPC-WEB" else "its bytes are passed on as TCP"
        problems.add("unsupported-value", path, value=protocol, effect=effect, hint="")


def _hosts(server: Server, path: str, problems: Problems) -> None:
    path = child(path, "hosts")
    if not server.hosts:
        problems.add("missing-field", path, name="hosts")
    for index, entry in enumerate(server.hosts):
        namespace, slash, host = entry.rpartition("/")
        place = item(path, index)
        if slash and namespace not in ("*", "."):
            problems.invalid(place, names.label(namespace), "write namespace/host; * is every namespace, . this one")
        if not names.is_ip(host):
            secure = server.port.protocol.upper() in _TLS
            problems.invalid(place, names.server_name(host) if secure else names.wildcard_host(host))


def _plain_tls(tls: ServerTlsSettings, protocol: str, path: str, problems: Problems) -> None:
    """Only httpsRedirect has a place on a plaintext port, and only an HTTP one."""
    if tls != ServerTlsSettings(https_redirect=tls.https_redirect):
        problems.invalid(path, f"a server with protocol {protocol} has no TLS", "write protocol: HTTPS or TLS")
    elif tls.https_redirect and protocol not in _HTTP:
        problems.invalid(child(path, "httpsRedirect"), f"{protocol} cannot be redirected")


def _tls(tls: ServerTlsSettings, protocol: str, path: str, problems: Problems) -> None:
    if tls.https_redirect:
        hint = "set it at the server with protocol HTTP"
        problems.invalid(child(path, "httpsRedirect"), "what comes over HTTPS cannot be redirected to HTTPS", hint)
    files = {
        "serverCertificate": bool(tls.server_certificate),
        "privateKey": bool(tls.private_key),
        "caCertificates": bool(tls.ca_certificates),
    }
    credential = bool(tls.credential_name or tls.credential_names or tls.tls_certificates)
    if tls.mode in ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"):
        _certificates(tls, files, path, problems)
    elif any(files.values()) or credential:
        name = next((name for name, there in files.items() if there), "credentialName")
        why = "the TLS connection passes through" if "PASSTHROUGH" in tls.mode else "the mesh has its own certificates"
        problems.invalid(child(path, name), f"{name} has no place in mode {tls.mode}: {why}", "mode: SIMPLE uses it")
    _demands(tls, path, problems)


def _certificates(tls: ServerTlsSettings, files: dict[str, bool], path: str, problems: Problems) -> None:
    given = {
        "credentialName": bool(tls.credential_name),
        "credentialNames": bool(tls.credential_names),
        "tlsCertificates": bool(tls.tls_certificates),
    }
    problems.conflict(path, given, "name all Secrets in credentialNames")
    for field, number in (("credentialNames", len(tls.credential_names)), ("tlsCertificates", len(tls.tls_certificates))):
        if number > _MOST_CERTIFICATES:
            problems.invalid(child(path, field), f"{number} certificates: Istio takes at most {_MOST_CERTIFICATES}")
    credentials = [("credentialName", tls.credential_name), ("caCertCredentialName", tls.ca_cert_credential_name)]
    credentials += [(f"credentialNames[{i}]", name) for i, name in enumerate(tls.credential_names)]
    for field, name in credentials:
        if name:
            problems.invalid(child(path, field), secret_name(name), "the Secret is in the namespace of the gateway's workload")
    if tls.credential_name or tls.credential_names:
        clash = next((name for name, there in files.items() if there), "")
        if clash:
            problems.conflict(path, {"credentialName": True, clash: True}, "a credential holds them all")
        return
    for index, one in enumerate(tls.tls_certificates):
        for field, there in (("serverCertificate", one.server_certificate), ("privateKey", one.private_key)):
            if not there:
                problems.add("missing-field", child(item(child(path, "tlsCertificates"), index), field), name=field)
    needed = [] if tls.tls_certificates else ["serverCertificate", "privateKey"]
    trusted = tls.ca_cert_credential_name or any(one.ca_certificates for one in tls.tls_certificates)
    needed += ["caCertificates"] if tls.mode in ("MUTUAL", "OPTIONAL_MUTUAL") and not trusted else []
    for name in needed:
        if not files[name]:
            problems.add("missing-field", child(path, name), name=f"{name} (mode {tls.mode})")


def secret_name(text: str) -> str:
    """What is wrong with a `credentialName`; empty when nothing is."""
    if "://" in text or "/" in text:
        return f"{text[:80]!r} is not the name of a Secret: it has a namespace or a scheme"
    return names.subdomain(text)


def _demands(tls: ServerTlsSettings, path: str, problems: Problems) -> None:
    asks = tls.mode in ("MUTUAL", "OPTIONAL_MUTUAL")
    said = {
        "subjectAltNames": bool(tls.subject_alt_names),
        "verifyCertificateSpki": bool(tls.verify_certificate_spki),
        "verifyCertificateHash": bool(tls.verify_certificate_hash),
        "caCrl": bool(tls.ca_crl),
    }
    for name in [name for name, there in said.items() if there and not asks]:
        why = f"mode {tls.mode} asks callers for no certificate"
        problems.add("no-effect", child(path, name), name=name, why=why, hint="mode: MUTUAL does")
    for field, values, right in (
        ("verifyCertificateSpki", tls.verify_certificate_spki, _is_spki),
        ("verifyCertificateHash", tls.verify_certificate_hash, _is_hash),
    ):
        for index, text in enumerate(values):
            if not right(text):
                hint = (
                    "a SHA-256 in base64 (44 characters)" if "Spki" in field else "a SHA-256 in hexadecimal, perhaps with colons"
                )
                problems.invalid(item(child(path, field), index), f"{text[:80]!r} is not a hash", hint)
    least, most = tls.min_protocol_version, tls.max_protocol_version
    if "TLS_AUTO" not in (least, most) and _VERSIONS.index(least) > _VERSIONS.index(most):
        problems.invalid(child(path, "minProtocolVersion"), f"{least} is above {most}")
    for index, cipher in enumerate(tls.cipher_suites):
        if cipher not in CIPHERS:
            close = close_name(cipher, CIPHERS)
            hint = f"did you mean {close}?" if close else "Envoy's: " + ", ".join(CIPHERS)
            problems.add(
                "unsupported-value", item(child(path, "cipherSuites"), index), value=cipher, effect="it is left out", hint=hint
            )


def _is_spki(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9+/]{43}=", text))


def _is_hash(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-fA-F]{64}|([0-9a-fA-F]{2}:){31}[0-9a-fA-F]{2}", text))
