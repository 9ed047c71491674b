"""HashiCorp Vault's PKI engine as the signer of the mesh, over its HTTP API: keys of authorities never come here.

`sign/ROLE` puts the names that are given into the certificate, whatever the request says; `sign-verbatim/ROLE` takes those of
the request, which was judged before. What comes back is checked like everything else (`authority.py`). Calls block: they
belong in a thread. https://developer.hashicorp.com/vault/api-docs/secret/pki and https://developer.hashicorp.com/vault/api-docs/auth/approle
"""

import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from weft.ca.authority import NotSigned
from weft.ca.certificate import Leaf, distinct
from weft.ca.csr import PublicKey
from weft.ca.proof import is_issued

TIMEOUT = 4.0
_EARLY = 0.1  # of a token's life: it is fetched anew that much before its end


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """`address` is its URL, `mount` the path of the PKI engine, `role` who signs. A token stands in `token_file`, or is
    fetched by AppRole (`role_id`, and the secret in `secret_id_file`, at `approle`). `verbatim` has workloads' requests signed
    as they are; `namespace` is Vault Enterprise's; `ca_file` are the roots of Vault's own certificate."""

    address: str
    role: str
    mount: str = "pki"
    token_file: str = ""
    role_id: str = ""
    secret_id_file: str = ""
    approle: str = "approle"
    namespace: str = ""
    verbatim: bool = False
    ca_file: str = ""


class VaultSigner:
    """Signs by one role. Threads may ask at the same time."""

    def __init__(self, settings: VaultSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._token, self._token_end = "", 0.0
        self._chain: tuple[x509.Certificate, ...] = ()
        context = ssl.create_default_context(cafile=settings.ca_file or None) if settings.address.startswith("https:") else None
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if context:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    @property
    def certificate(self) -> x509.Certificate:
        """That of who issues. Raises NotSigned while Vault was never reached."""
        return self.chain()[0]

    def chain(self) -> tuple[x509.Certificate, ...]:
        """Who issues, and those above it to the root, as Vault tells them. Raises NotSigned."""
        if not self._chain:
            found = self._read(f"{self._settings.mount}/cert/ca_chain")
            text = str(found.get("ca_chain") or found.get("certificate") or "")
            self._take(_certificates(text))
        return self._chain

    def root(self) -> x509.Certificate:
        """The root of the chain. Raises NotSigned when the engine does not know it."""
        last = self.chain()[-1]
        if not is_issued(last, last):
            raise NotSigned(f"Vault's chain ends with {last.subject.rfc4514_string()}, which is no root: name the root in a file")
        return last

    def signed(
        self, request: bytes, key: PublicKey, what: Leaf, lifetime: timedelta, now: datetime
    ) -> tuple[x509.Certificate, ...]:
        """By `sign` or `sign-verbatim`. Raises NotSigned."""
        hosts = any(not isinstance(name, x509.UniformResourceIdentifier) for name in what.names)
        verb = "sign-verbatim" if self._settings.verbatim and not hosts else "sign"
        csr = x509.load_der_x509_csr(request).public_bytes(Encoding.PEM).decode()
        body = {"csr": csr, "ttl": f"{int(lifetime.total_seconds())}s", "format": "pem"}
        if verb == "sign":
            body |= _names(what) | {"exclude_cn_from_sans": True}
        else:
            body |= {"key_usage": "DigitalSignature", "ext_key_usage": "ServerAuth,ClientAuth"}
        found = self._asked(f"{self._settings.mount}/{verb}/{self._settings.role}", body)
        leaf = _certificates(str(found.get("certificate", "")))
        above = [one for text in found.get("ca_chain") or [found.get("issuing_ca", "")] for one in _certificates(str(text))]
        if not leaf or not above:
            raise NotSigned("Vault answered without a certificate or its issuer")
        self._take(tuple(above))
        return (leaf[0], *(one for one in distinct(above) if not is_issued(one, one)))

    def _take(self, chain: tuple[x509.Certificate, ...]) -> None:
        if not chain:
            raise NotSigned("Vault tells no chain of its authority")
        self._chain = distinct(chain)

    # HTTP

    def _asked(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The `data` of an answer; a token that is not taken any more is replaced once."""
        for again in (False, True):
            try:
                return self._data(self._call(path, body, self._login(fresh=again)))
            except urllib.error.HTTPError as error:
                if error.code != 403 or again or not self._settings.role_id:
                    raise NotSigned(f"Vault refuses {path}: {_errors(error)}") from error
        raise AssertionError("one of both ended")

    def _read(self, path: str) -> Mapping[str, Any]:
        """What everybody may read."""
        try:
            return self._data(self._call(path, None, ""))
        except urllib.error.HTTPError as error:
            raise NotSigned(f"Vault refuses {path}: {_errors(error)}") from error

    def _login(self, *, fresh: bool) -> str:
        settings = self._settings
        if not settings.role_id:
            return _secret(settings.token_file)
        with self._lock:
            if self._token and not fresh and time.monotonic() < self._token_end:
                return self._token
            body = {"role_id": settings.role_id, "secret_id": _secret(settings.secret_id_file)}
            try:
                found = self._call(f"auth/{settings.approle}/login", body, "")["auth"]
                self._token = str(found["client_token"])
                self._token_end = time.monotonic() + float(found.get("lease_duration") or 60) * (1 - _EARLY)
            except urllib.error.HTTPError as error:
                raise NotSigned(f"Vault does not log us in: {_errors(error)}") from error
            except (KeyError, TypeError, ValueError) as error:
                raise NotSigned(f"Vault's answer to a login is not as documented: {error!r}") from error
            return self._token

    def _call(self, path: str, body: Mapping[str, Any] | None, token: str) -> Mapping[str, Any]:
        headers = {"X-Vault-Request": "true", "content-type": "application/json"}
        headers |= {"X-Vault-Token": token} if token else {}
        headers |= {"X-Vault-Namespace": self._settings.namespace} if self._settings.namespace else {}
        content = None if body is None else json.dumps(body).encode()
        url = f"{self._settings.address.rstrip('/')}/v1/{path}"
        try:
            asked = urllib.request.Request(url, content, headers)
            with self._opener.open(asked, timeout=TIMEOUT) as answer:
                found = json.loads(answer.read(1 << 20))
        except urllib.error.HTTPError:
            raise
        except (OSError, ValueError) as error:
            raise NotSigned(f"Vault at {self._settings.address} does not answer: {error}") from error
        if not isinstance(found, dict):
            raise NotSigned("Vault's answer is no JSON object")
        return found

    def _data(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        found = answer.get("data")
        if not isinstance(found, dict):
            raise NotSigned("Vault's answer carries no data")
        return found


def _names(what: Leaf) -> dict[str, Any]:
    """The names of a certificate, as `sign` wants them."""
    hosts = [name.value for name in what.names if isinstance(name, x509.DNSName)]
    uris = [name.value for name in what.names if isinstance(name, x509.UniformResourceIdentifier)]
    addresses = [str(name.value) for name in what.names if isinstance(name, x509.IPAddress)]
    return {"uri_sans": ",".join(uris), "alt_names": ",".join(hosts), "ip_sans": ",".join(addresses)}


def _certificates(text: str) -> tuple[x509.Certificate, ...]:
    if not text.strip():
        return ()
    try:
        return tuple(x509.load_pem_x509_certificates(text.encode()))
    except ValueError as error:
        raise NotSigned(f"Vault answered with what is no certificate: {error}") from error


def _secret(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise NotSigned(f"{file or 'the file with the token'} cannot be read: {error.strerror or error}") from error


def _errors(error: urllib.error.HTTPError) -> str:
    try:
        said = json.loads(error.read(65536)).get("errors", ())
    except (ValueError, AttributeError, OSError):
        said = ()
    return "; ".join(map(str, said)) or f"status {error.code}"
