"""The rules of Gateway."""

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


def gateway(spec: Gateway, problems: Problems) -> None:
    """The selector, and each server."""
    labels(spec.selector, "spec.selector", problems)
    if not spec.servers:
        problems.add("missing-field", "spec.servers", name="servers")
    for index, server in enumerate(spec.servers):
        _server(server, item("spec.servers", index), problems)
    duplicates([(server.port.name, f"spec.servers[{index}].port.name") for index, server in enumerate(spec.servers)],
               "the port name", problems)  # fmt: skip
    _same_port(spec, problems)


def _same_port(spec: Gateway, problems: Problems) -> None:
    """Servers that share a port must agree on whether it speaks TLS."""
    first: dict[int, tuple[bool, str]] = {}
    for index, server in enumerate(spec.servers):
        secure, path = server.port.protocol.upper() in _TLS, item("spec.servers", index)
        before = first.setdefault(server.port.number, (secure, path))
        if before[0] != secure:
            problem = f"port {server.port.number} speaks {'plaintext' if secure else 'TLS'} at {before[1]}"
            problems.invalid(below(path, "port", "protocol"), problem, "give one of them another port")


def _server(server: Server, path: str, problems: Problems) -> None:
    protocol = server.port.protocol.upper()
    _protocol(protocol, below(path, "port", "protocol"), problems)
    if not server.port.name:
        problems.add("missing-field", below(path, "port", "name"), name="name")
    _hosts(server, path, problems)
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
    if tls.mode in ("AUTO_PASSTHROUGH", "OPTIONAL_MUTUAL"):
        effect = "it behaves as PASSTHROUGH" if tls.mode == "AUTO_PASSTHROUGH" else "it behaves as SIMPLE"
        problems.add("unsupported-value", child(path, "mode"), value=tls.mode, effect=effect, hint="")
    if tls.mode in ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"):
        _certificates(tls.mode, files, credential, path, problems)
    elif any(files.values()) or credential:
        name = next((name for name, there in files.items() if there), "credentialName")
        why = "the TLS connection passes through" if "PASSTHROUGH" in tls.mode else "the mesh has its own certificates"
        problems.invalid(child(path, name), f"{name} has no place in mode {tls.mode}: {why}", "mode: SIMPLE uses it")


def _certificates(mode: str, files: dict[str, bool], credential: bool, path: str, problems: Problems) -> None:
    if credential:
        given = [name for name, there in files.items() if there]
        if given:
            problems.conflict(path, {"credentialName": True, given[0]: True}, "a credential holds them all")
        return
    needed = ["serverCertificate", "privateKey"] + (["caCertificates"] if mode == "MUTUAL" else [])
    for name in needed:
        if not files[name]:
            problems.add("missing-field", child(path, name), name=f"{name} (mode {mode})")
