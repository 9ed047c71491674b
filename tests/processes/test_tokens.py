"""Tokens of an issuer whose keys the control plane fetches: what is accepted, and what each wrong one is answered."""

import time
from collections.abc import Iterator

import pytest

from processes.mesh import CONTROL_PLANE, Answer, RunningMesh, running_mesh
from processes.token_issuer import TokenIssuer

MESH = """
services:
  client: {command: sleep 100000}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  staff: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  ingress: {x-weft: {gateway: true, labels: {istio: ingressgateway}}}
"""
RULES = """
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens, namespace: default}}
spec:
  jwtRules:
  - {{issuer: "{issuer}", audiences: [weft], {keys}}}
"""
ROUTES = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8097, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: default}
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
  - match:
    - headers: {"@request.auth.claims.groups": {exact: staff}}
    - headers: {"@request.auth.claims[realm][role]": {prefix: ad}}
    route: [{destination: {host: staff}}]
  - match: [{withoutHeaders: {"@request.auth.claims.sub": {regex: "j.*"}}}]
    directResponse: {status: 418}
  - route: [{destination: {host: reviews}}]
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    """Whose tokens are accepted."""
    issuer = TokenIssuer()
    yield issuer
    issuer.down()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, issuer: TokenIssuer) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file. Its keys are fetched every second."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WEFT_JWKS_REFRESH", "1s")
        with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
            running.apply(RULES.format(issuer=issuer.name, keys=f'jwksUri: "{issuer.name}/keys"'))
            running.until(lambda: ask(running, "nonsense").status == 401 and ask(running, issuer.token(aud="weft")).status == 200)
            yield running


def ask(mesh: RunningMesh, token: str | None, url: str = "http://reviews:9080/") -> Answer:
    """A request with a token."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return mesh.call(url, proxy=mesh.proxy(), headers=headers)


def test_each_wrong_token_has_its_answer(mesh: RunningMesh, issuer: TokenIssuer) -> None:
    """401 for what is no token of the issuer, 403 for one that is for somebody else; none at all passes."""
    good = issuer.token(aud=["other", "weft"])
    head, body, signature = good.split(".")
    stranger = TokenIssuer()
    try:
        answers = {
            "valid": ask(mesh, good),
            "none": ask(mesh, None),
            "expired": ask(mesh, issuer.token(aud="weft", exp=int(time.time()) - 100)),
            "not yet": ask(mesh, issuer.token(aud="weft", nbf=int(time.time()) + 1000)),
            "wrong audience": ask(mesh, issuer.token(aud="other")),
            "no audience": ask(mesh, issuer.token()),
            "wrong issuer": ask(mesh, stranger.token(aud="weft")),
            "signed by another": ask(mesh, stranger.token(aud="weft", iss=issuer.name)),
            "unsigned": ask(mesh, issuer.token(aud="weft", header={"alg": "none"})),
            "without its signature": ask(mesh, f"{head}.{body}."),
            "swapped algorithm": ask(mesh, issuer.token(aud="weft", header={"alg": "HS256"})),
            "unknown key": ask(mesh, issuer.token(aud="weft", header={"kid": "7"})),
            "nonsense": ask(mesh, "nonsense"),
            "changed": ask(mesh, f"{head}.{body[:-2]}AA.{signature}"),
            "huge": ask(mesh, issuer.token(aud="weft", words="x" * 30_000)),
            "too large": ask(mesh, issuer.token(aud="weft", words="x" * 60_000)),
        }
    finally:
        stranger.down()
    refused = dict.fromkeys(answers, 401)
    passed = {"valid": 200, "none": 200, "huge": 200}
    assert {name: one.status for name, one in answers.items()} == refused | passed | {
        "wrong audience": 403,
        "no audience": 403,
        "too large": 431,
    }
    assert "expired" in answers["expired"].body
    assert 'error="invalid_token"' in answers["expired"].headers["www-authenticate"]


def test_a_new_key_is_fetched_and_the_old_one_forgotten(mesh: RunningMesh, issuer: TokenIssuer) -> None:
    """An issuer that has another key is believed on that one soon, and on the one before no more."""
    before = issuer.token(aud="weft")
    issuer.rotate("2")
    mesh.until(lambda: ask(mesh, issuer.token(aud="weft")).status == 200, 10)
    assert ask(mesh, before).status == 401


def test_an_issuer_that_is_down_stops_nobody(mesh: RunningMesh, issuer: TokenIssuer) -> None:
    """The last keys serve on, over a restart of the control plane and of a proxy, and the resource says what is wrong."""
    issuer.down()
    try:
        mesh.until(lambda: "were not fetched" in _status(mesh), 10)
        assert "serve on" in _status(mesh)
        mesh.killed(CONTROL_PLANE)
        mesh.until(mesh.ready_control_plane)
        mesh.killed("envoy/default/reviews-0")
        mesh.until(lambda: ask(mesh, issuer.token(aud="weft")).status == 200)
        assert ask(mesh, issuer.token(aud="weft", exp=1)).status == 401
    finally:
        issuer.up()
    mesh.until(lambda: "were not fetched" not in _status(mesh), 30)


def _status(mesh: RunningMesh) -> str:
    return mesh.weft("get", "requestauthentication", "tokens", "-n", "default", "-o", "json").out


def test_keys_that_are_not_there_are_said_when_they_are_named(mesh: RunningMesh, issuer: TokenIssuer) -> None:
    """The address is asked when a resource that names it is written; until it answers its tokens are refused."""
    nowhere = RULES.format(issuer="https://nowhere", keys='jwksUri: "http://127.0.0.1:1/keys"').replace("tokens", "nowhere")
    done = mesh.weft("apply", "-f", "-", stdin=nowhere, code=None)
    assert "the keys at http://127.0.0.1:1/keys were not fetched" in done.err, done
    mesh.weft("delete", "requestauthentication", "nowhere", "-n", "default", code=None)


def test_an_issuer_says_where_its_keys_are(mesh: RunningMesh) -> None:
    """Without `jwks` and `jwksUri` the issuer's OpenID configuration is asked."""
    other = TokenIssuer()
    try:
        mesh.apply(RULES.format(issuer=other.name, keys="forwardOriginalToken: true").replace("tokens", "other"))
        mesh.until(lambda: ask(mesh, other.token(aud="weft")).status == 200, 10)
        mesh.weft("delete", "requestauthentication", "other", "-n", "default")
    finally:
        other.down()


def test_claims_decide_where_a_request_goes(mesh: RunningMesh, issuer: TokenIssuer) -> None:
    """At a gateway: by a text, one of a list, a claim within a claim, and by what it is not."""
    mesh.apply(ROUTES)
    mesh.until(lambda: mesh.instances()["ingress-0"]["gatewayPorts"].get("8097"), 10)
    port = mesh.instances()["ingress-0"]["gatewayPorts"]["8097"]

    def outside(token: str | None) -> Answer:
        headers = {"Host": "edge.example.com"} | ({"Authorization": f"Bearer {token}"} if token else {})
        return mesh.call("/", proxy=f"127.0.0.1:{port}", headers=headers)

    mesh.until(lambda: outside(issuer.token(aud="weft", groups=["a", "staff"])).status == 200, 10)
    assert outside(issuer.token(aud="weft", groups=["a", "staff"])).echo["service"] == "staff"
    assert outside(issuer.token(aud="weft", groups="staff")).echo["service"] == "staff"
    assert outside(issuer.token(aud="weft", realm={"role": "admin"})).echo["service"] == "staff"
    assert outside(issuer.token(aud="weft", groups=["a"])).echo["service"] == "reviews"
    assert outside(issuer.token(aud="weft", sub="al")).status == 418
    assert outside(None).status == 418
    assert outside("nonsense").status == 401
