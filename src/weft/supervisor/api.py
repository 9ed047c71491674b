"""A small client of the control plane's API, on the standard library: this process stays, and so would all it imports.

It reads the address and the certificates from the kubeconfig, and no variable of the environment.
"""

import asyncio
import base64
import contextlib
import http.client
import json
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

Json = dict[str, Any]


class ApiError(Exception):
    """The API refused or did not answer. The text says why."""

    def __init__(self, problem: str, answer: Mapping[str, Any] | None = None) -> None:
        super().__init__(problem)
        self.answer = answer or {}


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API is and how to come in. `tls` None: plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    async def get(self, path: str) -> Json:
        """The JSON at `path`. Raises ApiError."""
        return await asyncio.to_thread(self._call, "GET", path, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """The answer to `body`. Raises ApiError."""
        return await asyncio.to_thread(self._call, "POST", path, body)

    async def delete(self, path: str) -> Json:
        """Removes the object at `path`. Raises ApiError."""
        return await asyncio.to_thread(self._call, "DELETE", path, None)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Json:
        connection = self._connection()
        try:
            sent = None if body is None else json.dumps(body).encode()
            connection.request(method, path, sent, {"content-type": "application/json", "accept": "application/json"})
            response = connection.getresponse()
            answer = _json(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"the API at {self.host}:{self.port} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise ApiError(_problem(response.status, answer), answer)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=30, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=30)


def api(kubeconfig: Path, scratch: Path) -> Api:
    """The API of a kubeconfig's current context. `scratch` is a private folder for the moment in which OpenSSL reads the key."""
    config = yaml.safe_load(kubeconfig.read_text())
    context = next(item["context"] for item in config["contexts"] if item["name"] == config["current-context"])
    cluster = next(item["cluster"] for item in config["clusters"] if item["name"] == context["cluster"])
    user = next(item["user"] for item in config["users"] if item["name"] == context["user"])
    url = urlsplit(cluster["server"])
    tls = _tls(cluster, user, scratch) if url.scheme == "https" else None
    return Api(url.hostname or "127.0.0.1", url.port or 443, tls)


def _tls(cluster: Json, user: Json, scratch: Path) -> ssl.SSLContext:
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with (
        _file(base64.b64decode(user["client-certificate-data"]), scratch) as certificate,
        _file(base64.b64decode(user["client-key-data"]), scratch) as key,
    ):
        context.load_cert_chain(certificate, key)
    return context


@contextlib.contextmanager
def _file(content: bytes, folder: Path) -> Iterator[str]:
    descriptor, path = tempfile.mkstemp(dir=folder)
    try:
        os.write(descriptor, content)
        yield path
    finally:
        os.close(descriptor)
        os.unlink(path)


def _json(body: bytes) -> Json:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {"message": body.decode("utf-8", "replace")[:500]}
    return found if isinstance(found, dict) else {"items": found}


def _problem(status: int, answer: Mapping[str, Any]) -> str:
    """What a refusal says: findings of a bulk apply, or the message of a Kubernetes Status."""
    findings = [
        f"{found.get('kind')} {found.get('namespace')}/{found.get('name')} {found.get('field')}: {found.get('message')}"
        for found in answer.get("findings", ())
        if found.get("severity") == "error"
    ]
    return "; ".join(findings) or str(answer.get("message") or f"HTTP {status}")
