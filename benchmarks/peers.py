"""The peers of the data-plane benchmark: a backend, a bare pair of Envoys, a pair of HAProxies, all with the same mTLS.

Every process has a session of its own, as weft's have: Linux shares the CPU between sessions first (`sched_autogroup`), and on a
busy machine processes that share one session take turns differently, which changes what a request costs by a third.
"""

import datetime
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.processes import free_port, wait_for_port

BODY = "x" * 1024


@dataclass(frozen=True)
class Way:
    """A way to the backend: the port a client calls, and the proxies' processes on it."""

    name: str
    port: int
    pids: tuple[int, ...]
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: a CA, and one certificate and key for both ends."""

    ca: Path
    certificate: Path
    key: Path


def certificates(folder: Path) -> Certificates:
    """A throw-away CA and a certificate for `peer.test`, ECDSA P-256 as weft's own."""
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark CA")])

    def made(subject: str, public: ec.EllipticCurvePublicKey, authority: bool) -> x509.Certificate:
        names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        return (
            x509.CertificateBuilder()
            .subject_name(names)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("peer.test")]), critical=False)
            .sign(ca_key, hashes.SHA256())
        )

    pem = serialization.Encoding.PEM
    files = Certificates(folder / "ca.pem", folder / "peer.pem", folder / "peer.key")
    files.ca.write_bytes(made("benchmark CA", ca_key.public_key(), True).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificate = made("peer.test", key.public_key(), False).public_bytes(pem)
    files.key.write_bytes(private)
    files.certificate.write_bytes(certificate + private)
    return files


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _hcm(name: str, route: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "route_config": {
                "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **route}]}]
            },
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
                }
            ],
        },
    }


def _tls(kind: str, files: Certificates) -> dict[str, Any]:
    common = {
        "tls_params": {
            "tls_minimum_protocol_version": "TLSv1_3",
            "tls_maximum_protocol_version": "TLSv1_3",
            "ecdh_curves": ["X25519MLKEM768", "X25519"],
        },
        "tls_certificates": [
            {"certificate_chain": {"filename": str(files.certificate)}, "private_key": {"filename": str(files.key)}}
        ],
        "validation_context": {"trusted_ca": {"filename": str(files.ca)}},
        "alpn_protocols": ["h2"],
    }
    extra = {"require_client_certificate": True} if kind == "Downstream" else {}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}TlsContext",
            "common_tls_context": common,
            **extra,
        },
    }


def _cluster(port: int, *, http2: bool = False, tls: Mapping[str, Any] | None = None) -> dict[str, Any]:
    protocol: dict[str, Any] = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {}}
    cluster: dict[str, Any] = {
        "name": "next",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "next",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol,
            }
        },
    }
    return cluster | ({"transport_socket": dict(tls)} if tls else {})


def _envoy(binary: str, name: str, folder: Path, listener: dict[str, Any], clusters: list[dict[str, Any]]) -> tuple[int, int]:
    port = free_port()
    config = {
        "node": {"id": name, "cluster": name},
        "static_resources": {"listeners": [{"name": name, "address": _address(port), **listener}], "clusters": clusters},
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    command = [binary, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for_port(port)
    return port, process.pid


def backend_config(port: int) -> dict[str, Any]:
    """A backend that costs little: an Envoy that answers 1 KiB from memory at `port`."""
    route = {"direct_response": {"status": 200, "body": {"inline_string": BODY}}}
    listener = {"name": "backend", "address": _address(port), "filter_chains": [{"filters": [_hcm("backend", route)]}]}
    return {"node": {"id": "backend", "cluster": "backend"}, "static_resources": {"listeners": [listener]}}


def envoy_pair(binary: str, folder: Path, files: Certificates, backend: int) -> Way:
    """Two Envoys with a static configuration: HTTP/1.1 in, HTTP/2 over mTLS between, HTTP/1.1 out."""
    to_next = {"route": {"cluster": "next", "timeout": "0s"}}
    inner, server = _envoy(
        binary,
        "pair-server",
        folder,
        {"filter_chains": [{"transport_socket": _tls("Downstream", files), "filters": [_hcm("in", to_next)]}]},
        [_cluster(backend)],
    )
    outer, client = _envoy(
        binary,
        "pair-client",
        folder,
        {"filter_chains": [{"filters": [_hcm("out", to_next)]}]},
        [_cluster(inner, http2=True, tls=_tls("Upstream", files))],
    )
    return Way("bare Envoy pair", outer, (client, server))


def haproxy_pair(binary: str, folder: Path, files: Certificates, backend: int) -> Way:
    """Two HAProxies, one thread each, doing the same: HTTP/2 over TLS 1.3 with client certificates between them."""
    outer, inner = free_port(), free_port()
    top = (
        "global\n  nbthread 1\ndefaults\n  mode http\n  http-reuse always\n"
        "  timeout client 60s\n  timeout server 60s\n  timeout connect 5s\n"
    )
    tls = f"ssl crt {files.certificate} ca-file {files.ca} verify required alpn h2 ssl-min-ver TLSv1.3"
    (folder / "ha-client.cfg").write_text(
        f"{top}frontend f\n  bind 127.0.0.1:{outer}\n  default_backend b\nbackend b\n"
        f"  server s 127.0.0.1:{inner} {tls} verifyhost peer.test\n"
    )
    (folder / "ha-server.cfg").write_text(
        f"{top}frontend f\n  bind 127.0.0.1:{inner} {tls}\n  default_backend b\nbackend b\n  server s 127.0.0.1:{backend}\n"
    )
    pids = []
    for name, port in (("ha-server", inner), ("ha-client", outer)):
        command = [binary, "-db", "-f", str(folder / f"{name}.cfg")]
        pids.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True).pid)
        wait_for_port(port)
    return Way("HAProxy pair", outer, tuple(pids))
