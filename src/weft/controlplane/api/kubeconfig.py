"""The file with which kubectl and `weft` come in: the address, the authority to expect, and a client certificate.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

import base64
import json
import os
from pathlib import Path
from typing import Any


def kubeconfig(*, name: str, server: str, authority: bytes, certificate: bytes, key: bytes) -> dict[str, Any]:
    """The document. `server` is `https://127.0.0.1:port`; the others are PEM. Namespace `default`."""

    def text(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    # kubectl honours HTTPS_PROXY but for loopback addresses; an explicit empty proxy cannot be said here.
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": text(authority)}}],
        "users": [{"name": name, "user": {"client-certificate-data": text(certificate), "client-key-data": text(key)}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
        "preferences": {},
    }


def write(path: Path, document: dict[str, Any]) -> None:
    """Writes it readable by its owner alone, whole or not at all. It is JSON, which is YAML."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
    part.replace(path)
