"""Vault as the signer, met over HTTP: a server that speaks its PKI and AppRole API as documented, and one that does not
behave."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from weft.ca import certificate, csr
from weft.ca.authority import NotSigned, new_intermediate, new_root
from weft.ca.certificate import Issuer, Leaf
from weft.ca.external import ExternalAuthority
from weft.ca.folder import Folder
from weft.ca.transport.own_certificate import OwnCertificate
from weft.ca.vault import VaultSettings, VaultSigner
from weft.identity import SpiffeId

DOMAIN = "cluster.local"
REVIEWS = SpiffeId(DOMAIN, "default", "reviews")
HOUR = timedelta(hours=1)


class Engine:
    """The state of a PKI engine mounted at `mesh`: https://developer.hashicorp.com/vault/api-docs/secret/pki"""

    def __init__(self) -> None:
        key, now = csr.new_key(), datetime.now(UTC)
        self.root = new_root(DOMAIN, key, now)
        self.issuer = new_intermediate(DOMAIN, Issuer(key, self.root), now)
        self.tokens = {"s.static"}
        self.logins = 0
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.twist: dict[str, Any] = {}

    def answer(self, method: str, path: str, body: dict[str, Any], token: str) -> tuple[int, dict[str, Any]]:
        """The status and JSON of an answer."""
        self.asked.append((path, body))
        if self.twist.get("sealed"):
            return 503, {"errors": ["Vault is sealed"]}
        chain = [certificate.pem(each).decode() for each in (self.issuer.certificate, self.root)]
        match method, path:
            case "POST", "/v1/auth/approle/login":
                if body != {"role_id": "weft", "secret_id": "secret"}:
                    return 400, {"errors": ["invalid role or secret ID"]}
                self.logins += 1
                self.tokens = {"s.static", f"s.{self.logins}"}
                return 200, {"auth": {"client_token": f"s.{self.logins}", "lease_duration": 1200, "renewable": True}}
            case "GET", "/v1/mesh/cert/ca_chain":
                return 200, {"data": {"ca_chain": "\n".join(chain), "certificate": "\n".join(chain)}}
            case "POST", ("/v1/mesh/sign/workload" | "/v1/mesh/sign-verbatim/workload"):
                if token not in self.tokens:
                    return 403, {"errors": ["permission denied"]}
                made = certificate.pem(self._signed(body, verbatim="verbatim" in path)).decode()
                return 200, {"data": {"certificate": made, "issuing_ca": chain[0], "ca_chain": chain, "serial_number": "1"}}
        return 404, {"errors": ["no handler for route"]}

    def _signed(self, body: dict[str, Any], *, verbatim: bool) -> x509.Certificate:
        """`sign` takes the names of the parameters, `sign-verbatim` those of the request."""
        asked = x509.load_pem_x509_csr(body["csr"].encode())
        if verbatim:
            names = tuple(asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        else:
            uris = [x509.UniformResourceIdentifier(each) for each in body["uri_sans"].split(",") if each]
            names = (*uris, *(x509.DNSName(each) for each in body["alt_names"].split(",") if each))
            addresses = [each for each in body["ip_sans"].split(",") if each]
            names += tuple(x509.IPAddress(ip_address(each)) for each in addresses)
        names = self.twist.get("names", names)
        key = self.twist.get("key") or asked.public_key()
        life = timedelta(seconds=int(body["ttl"].removesuffix("s")))
        return certificate.leaf(key, Leaf(names), self.issuer, life, datetime.now(UTC))


class Vault(ThreadingHTTPServer):
    """The engine, served."""

    engine: Engine


class _Handler(BaseHTTPRequestHandler):
    server: Vault

    def do_GET(self) -> None:
        self._answer("GET", {})

    def do_POST(self) -> None:
        self._answer("POST", json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _answer(self, method: str, body: dict[str, Any]) -> None:
        status, said = self.server.engine.answer(method, self.path, body, self.headers.get("X-Vault-Token", ""))
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def vault() -> Iterator[Vault]:
    """One that behaves, until a test twists it."""
    server = Vault(("127.0.0.1", 0), _Handler)
    server.engine = Engine()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def settings(vault: Vault, folder: Path, **more: Any) -> VaultSettings:
    """With a token in a file, unless something else is said."""
    (folder / "token").write_text("s.static\n")
    address = f"http://127.0.0.1:{vault.server_address[1]}"
    return VaultSettings(**{"address": address, "role": "workload", "mount": "mesh", "token_file": str(folder / "token"), **more})


def authority(vault: Vault, folder: Path, **more: Any) -> ExternalAuthority:
    """The mesh's authority with this signer."""
    return ExternalAuthority(
        Folder(folder / "ca", DOMAIN), lambda: datetime.now(UTC), VaultSigner(settings(vault, folder, **more))
    )


def issue(of: ExternalAuthority) -> x509.Certificate:
    """A certificate, whose chain leads to a root of the authority."""
    current = of()
    made = current.issue(csr.request(csr.new_key(), str(REVIEWS)), REVIEWS, HOUR, datetime.now(UTC))
    return current.own(made.chain, datetime.now(UTC))


@pytest.mark.parametrize("verbatim", [False, True])
def test_vault_signs_by_both_ways(vault: Vault, tmp_path: Path, verbatim: bool) -> None:
    """With a token of a file: the name is the attested one, the chain leads to Vault's root, and no key is here."""
    made = issue(authority(vault, tmp_path, verbatim=verbatim))
    assert certificate.uris(made) == [str(REVIEWS)]
    path, body = vault.engine.asked[-1]
    assert path == f"/v1/mesh/{'sign-verbatim' if verbatim else 'sign'}/workload" and body["ttl"] == "3600s"
    assert [each.name for each in (tmp_path / "ca").iterdir()] == ["root.crt"]


def test_the_control_planes_own_certificate_comes_from_vault_too(vault: Vault, tmp_path: Path) -> None:
    """With its hosts, which are named to `sign` alone."""
    own = OwnCertificate(authority(vault, tmp_path, verbatim=True), lambda: datetime.now(UTC))
    (leaf, *_) = x509.load_pem_x509_certificates(own.current().chain)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "weft.local" in names.get_values_for_type(x509.DNSName) and own.is_external
    assert vault.engine.asked[-1][0].endswith("/sign/workload") and not own.renewed()


def test_approle_logs_in_once_and_again_when_the_token_is_revoked(vault: Vault, tmp_path: Path) -> None:
    """One login serves many certificates; a wrong secret is said."""
    (tmp_path / "secret").write_text("secret\n")
    of = authority(vault, tmp_path, token_file="", role_id="weft", secret_id_file=str(tmp_path / "secret"))
    issue(of)
    issue(of)
    assert vault.engine.logins == 1
    vault.engine.tokens.clear()
    issue(of)
    assert vault.engine.logins == 2
    (tmp_path / "secret").write_text("wrong")
    vault.engine.tokens.clear()
    with pytest.raises(NotSigned, match="invalid role or secret ID"):
        issue(of)


def test_what_vault_signs_wrong_is_not_given_to_anybody(vault: Vault, tmp_path: Path) -> None:
    """A name more, another key: the authority trusts nobody's word."""
    of = authority(vault, tmp_path)
    for twist in (
        {"names": (x509.UniformResourceIdentifier(f"spiffe://{DOMAIN}/ns/a/sa/b"),)},
        {"key": csr.new_key().public_key()},
    ):
        vault.engine.twist = twist
        with pytest.raises(NotSigned, match=r"another key|other names"):
            issue(of)


def test_vault_away_is_said_and_its_root_is_remembered(vault: Vault, tmp_path: Path) -> None:
    """Sealed, refusing the token, or gone: certificates wait, and who is asked for the roots still answers."""
    issue(authority(vault, tmp_path))
    vault.engine.twist = {"sealed": True}
    with pytest.raises(NotSigned, match="Vault is sealed"):
        issue(authority(vault, tmp_path, token_file=str(tmp_path / "token")))
    vault.engine.twist = {}
    (tmp_path / "token").write_text("s.wrong")
    stale = VaultSigner(settings(vault, tmp_path))
    (tmp_path / "token").write_text("s.wrong")
    with pytest.raises(NotSigned, match="permission denied"):
        issue(ExternalAuthority(Folder(tmp_path / "ca", DOMAIN), lambda: datetime.now(UTC), stale))
    gone = VaultSigner(VaultSettings("http://127.0.0.1:1", "workload", token_file=str(tmp_path / "token")))
    away = ExternalAuthority(Folder(tmp_path / "ca", DOMAIN), lambda: datetime.now(UTC), gone)
    assert away().roots == (vault.engine.root,)
    with pytest.raises(NotSigned, match="does not answer"):
        issue(away)
