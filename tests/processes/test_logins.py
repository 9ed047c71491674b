"""People who sign in at a gateway, with a real OpenID provider."""

import html
import re
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from processes.mesh import RunningMesh, running_mesh

PACKAGE = Path(__file__).parents[2] / ".oidc" / "node_modules" / "oidc-provider"
PROGRAM = Path(__file__).parent / "programs" / "oidc_provider.mjs"
PORT = 18449
SHOP = f"https://127.0.0.1:{PORT}"
MESH = """
services:
  shop: {command: weft echo, x-weft: {ports: [{name: http, port: 80}]}}
  edge: {x-weft: {gateway: true, labels: {istio: ingressgateway}}}
"""
RULES = f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: {PORT}, name: https, protocol: HTTPS}}, hosts: ["*"], tls: {{mode: SIMPLE, credentialName: edge}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: edge}}
spec: {{hosts: ["*"], gateways: [edge], http: [{{route: [{{destination: {{host: shop}}}}]}}]}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: staff}}
spec:
  selector: {{matchLabels: {{istio: ingressgateway}}}}
  action: DENY
  rules: [{{to: [{{operation: {{paths: [/staff*]}}}}], when: [{{key: "request.auth.claims[groups]", notValues: [staff]}}]}}]
---
apiVersion: mesh.weft.dev/v1alpha1
kind: OidcLogin
metadata: {{name: people}}
spec:
  selector: {{matchLabels: {{istio: ingressgateway}}}}
  issuer: ISSUER
  clientId: shop
  secretName: people
  scopes: [profile]
  exceptPaths: [/healthz, /public/*]
"""
SECRET = "{apiVersion: v1, kind: Secret, metadata: {name: people}, stringData: {client-secret: a-secret-of-the-shop}}"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The provider's URL."""
    if not PACKAGE.exists():
        pytest.skip("npm install --no-save --prefix .oidc oidc-provider@9 brings the OpenID provider")
    command = ("node", str(PROGRAM), str(PACKAGE), f"{SHOP}/oauth2/callback")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, provider: str) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        running.weft("apply", "--allow-unresolved", "-f", "-", stdin=f"{RULES.replace('ISSUER', provider)}---\n{_certificate()}")
        running.until(lambda: _answers(browser()))
        yield running


def _certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edge")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(hours=1), now + timedelta(hours=1))
    signed = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    words = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    lines = {"tls.crt": signed, "tls.key": words}
    held = "".join(f"  {of}: |\n" + "".join(f"    {line}\n" for line in text.splitlines()) for of, text in lines.items())
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: edge}}\ntype: kubernetes.io/tls\nstringData:\n{held}"


def browser() -> httpx.Client:
    """Keeps cookies, follows nothing by itself."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return httpx.Client(verify=trust, trust_env=False, timeout=10)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get(f"{SHOP}/").status_code in (302, 403)
    except httpx.HTTPError:
        return False


def visit(client: httpx.Client, url: str, user: str = "jo") -> httpx.Response:
    """Goes where it is sent, and fills in the forms on the way, as `user`."""
    answer = client.get(url)
    for _ in range(20):
        if answer.is_redirect:
            answer = client.get(urljoin(str(answer.url), answer.headers["location"]))
        elif form := re.search(r'<form[^>]*action="([^"]+)"', answer.text):
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            filled = {"prompt": prompt.group(1) if prompt else "login", "login": user, "password": "x"}
            answer = client.post(urljoin(str(answer.url), html.unescape(form.group(1))), data=filled)
        else:
            return answer
    raise AssertionError(f"no end of redirects: {answer.url}")


def test_nobody_comes_in_while_nobody_can_sign_in(mesh: RunningMesh) -> None:
    """Without the client's secret who would have to sign in is refused, whatever cookies he has; what is free is free."""
    said = mesh.weft("get", "oidclogin", "people", "-o", "json").out
    assert "nobody can sign in" in said, said
    with browser() as client:
        assert client.get(f"{SHOP}/").status_code == 403
        forged = "OauthHMAC=x; OauthExpires=9999999999; BearerToken=x"
        assert client.get(f"{SHOP}/", headers={"cookie": forged}).status_code == 403
        assert client.get(f"{SHOP}/healthz?a=1").status_code == 200
    mesh.apply(SECRET)
    with browser() as client:
        mesh.until(lambda: client.get(f"{SHOP}/").status_code == 302)


def test_who_signs_in_comes_back_with_an_identity(mesh: RunningMesh, provider: str) -> None:
    """By code and PKCE; policies know the claims of the ID token, and the application gets no token."""
    mesh.apply(SECRET)
    with browser() as client:
        mesh.until(lambda: client.get(f"{SHOP}/").status_code == 302)
        away = client.get(f"{SHOP}/").headers["location"]
        assert away.startswith(f"{provider}/auth?") and "code_challenge_method=S256" in away and "client_id=shop" in away
        home = visit(client, f"{SHOP}/staff/desk?x=1")
        assert home.status_code == 200, home.text
        assert home.json()["path"] == "/staff/desk?x=1" and "authorization" not in home.json()["headers"]
        assert client.get(f"{SHOP}/staff").status_code == 200
        session = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)
        assert "eyJ" not in session  # no token can be read from it
        changed = re.sub(r"(hmac-\w+=)....", r"\1AAAA", session)
        assert changed != session
        assert httpx.get(f"{SHOP}/", verify=_trusting(), trust_env=False, headers={"cookie": changed}).status_code == 302
        out = client.get(f"{SHOP}/oauth2/sign-out")
        assert out.is_redirect
        assert client.get(f"{SHOP}/staff").status_code == 302
    with browser() as guest:
        assert visit(guest, f"{SHOP}/", "al").status_code == 200
        assert guest.get(f"{SHOP}/staff").status_code == 403


def _trusting() -> ssl.SSLContext:
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return trust


def test_a_script_is_told_and_not_sent_away(mesh: RunningMesh) -> None:
    """It could not follow; what needs no session passes."""
    mesh.apply(SECRET)
    with browser() as client:
        mesh.until(lambda: client.get(f"{SHOP}/").status_code == 302)
        assert client.get(f"{SHOP}/", headers={"sec-fetch-mode": "cors"}).status_code == 401
        assert client.get(f"{SHOP}/public/a").status_code == 200
        for other in ("/publicity", "/public/..%2fstaff", "/public/../staff", "/public/a;/../../staff", "/public/%5c..%5cstaff"):
            assert client.get(f"{SHOP}{other}").status_code == 302, other
