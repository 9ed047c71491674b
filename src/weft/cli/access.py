"""How to reach an API server: a kubeconfig read as kubectl reads it, for the mesh's own and for any other.

Not read: exec plugins and auth providers, which run other programs; a message says so.
"""

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class NoAccess(Exception):
    """The kubeconfig cannot be used. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """An API server and how to be let in. Certificates are PEM; `authority` empty: the system's. `namespace` is the context's."""

    server: str
    authority: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""
    namespace: str = "default"
    verify: bool = True
    server_name: str = ""


def access(path: Path, context: str = "") -> Access:
    """The access of the kubeconfig's current context, or of `context`. Raises NoAccess."""
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as problem:
        raise NoAccess(f"cannot read {path}: {problem.strerror}") from None
    except yaml.YAMLError as problem:
        raise NoAccess(f"{path} is not YAML: {problem}") from None
    if not isinstance(document, Mapping):
        raise NoAccess(f"{path} is not a kubeconfig")
    chosen = _named(document, "contexts", context or document.get("current-context"), path).get("context") or {}
    cluster = _named(document, "clusters", chosen.get("cluster"), path).get("cluster") or {}
    user = _named(document, "users", chosen.get("user"), path).get("user") or {} if chosen.get("user") else {}
    if "exec" in user or "auth-provider" in user:
        raise NoAccess(f"{path} signs in with another program, which weft does not run: use a client certificate or a token")
    return Access(
        str(cluster.get("server", "")).rstrip("/"),
        _content(cluster, "certificate-authority", path),
        _content(user, "client-certificate", path),
        _content(user, "client-key", path),
        str(user.get("token", "")) or _token(user, path),
        str(chosen.get("namespace") or "default"),
        not cluster.get("insecure-skip-tls-verify", False),
        str(cluster.get("tls-server-name", "")),
    )


def _named(document: Mapping[str, Any], section: str, name: Any, path: Path) -> Mapping[str, Any]:
    for entry in document.get(section) or ():
        if isinstance(entry, Mapping) and entry.get("name") == name:
            return entry
    raise NoAccess(f"{path} has no {section.rstrip('s')} named {name!r}")


def _content(entry: Mapping[str, Any], name: str, path: Path) -> bytes:
    """What stands in the file as base64, or in the file beside it that is named there."""
    try:
        if entry.get(f"{name}-data"):
            return base64.b64decode(entry[f"{name}-data"], validate=True)
        return (path.parent / entry[name]).read_bytes() if entry.get(name) else b""
    except (binascii.Error, ValueError):
        raise NoAccess(f"{name}-data in {path} is not base64") from None
    except OSError as problem:
        raise NoAccess(f"cannot read {name} of {path}: {problem.strerror}") from None


def _token(user: Mapping[str, Any], path: Path) -> str:
    return (path.parent / user["tokenFile"]).read_text().strip() if user.get("tokenFile") else ""


def tls(granted: Access) -> ssl.SSLContext:
    """The client's side of TLS. Raises NoAccess for certificates that cannot be used."""
    try:
        context = ssl.create_default_context(cadata=granted.authority.decode() or None)
        if granted.certificate:
            _load_pair(context, granted.certificate, granted.key)
    except (ssl.SSLError, ValueError) as problem:
        raise NoAccess(f"the kubeconfig's certificates cannot be used: {problem}") from None
    if not granted.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """`ssl` reads certificates from files only: a file that nobody else can read, for an instant."""
    descriptor, name = tempfile.mkstemp(prefix="weft-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + b"\n" + key)
        context.load_cert_chain(name)
    finally:
        os.unlink(name)
