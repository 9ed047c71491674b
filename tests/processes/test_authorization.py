"""AuthorizationPolicy in a running mesh: who may call is known by certificate, and a refusal says which rule it was."""

import base64
import json
import socket
import time
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from processes.mesh import Answer, RunningMesh, running_mesh

MESH = """
services:
  web: {command: sleep 100000}
  batch: {command: sleep 100000, x-weft: {namespace: jobs}}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  ledger: {command: weft echo, x-weft: {ports: [{name: http, port: 8080}, {name: http-admin, port: 9090}]}}
  store: {command: weft echo, x-weft: {ports: [{name: tcp, port: 5432}]}}
  ingress: {x-weft: {gateway: true, namespace: istio-system, labels: {istio: ingressgateway}}}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


@pytest.fixture(autouse=True)
def no_policies(mesh: RunningMesh) -> Iterator[None]:
    """Each test begins, and leaves, without a policy."""
    yield
    meant = {"allow": "denies-seen-calls"}
    with mesh.api() as api:
        for namespace in ("default", "istio-system"):
            for kind in ("authorizationpolicies", "requestauthentications"):
                api.request("DELETE", f"/apis/security.istio.io/v1/namespaces/{namespace}/{kind}", query=meant)


def policy(mesh: RunningMesh, name: str, spec: str, namespace: str = "default", annotations: str = "{}") -> None:
    """Applies a policy."""
    mesh.apply(f"""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: {namespace}, annotations: {annotations}}}
spec: {spec}
""")


def ask(mesh: RunningMesh, caller: str, url: str, method: str = "GET", **headers: str) -> Answer:
    """A request of the workload `caller`."""
    return mesh.call(url, proxy=mesh.proxy(f"{caller}-0"), method=method, headers=headers)


def until(mesh: RunningMesh, status: int, caller: str, url: str, method: str = "GET", **headers: str) -> Answer:
    """The first answer with `status`: a policy is in effect at the proxy soon after it is applied."""

    def answered() -> Answer | None:
        found = ask(mesh, caller, url, method, **headers)
        return found if found.status == status else None

    found = mesh.until(answered, 5)
    assert isinstance(found, Answer)
    return found


def test_nothing_allows_nothing(mesh: RunningMesh) -> None:
    """An empty policy is for everybody of its namespace, and the answer names it."""
    policy(mesh, "nothing", "{}")
    refused = until(mesh, 403, "web", "http://reviews:9080/")
    assert "no rule of AuthorizationPolicy default/nothing allows it" in refused.body
    assert refused.headers["x-weft-denied-by"] == "no rule of AuthorizationPolicy default/nothing allows it"


def test_a_caller_is_known_by_its_certificate(mesh: RunningMesh) -> None:
    """The account of `web` may read; that of another namespace may not, whatever it says of itself, and nobody writes."""
    policy(
        mesh,
        "readers",
        "{selector: {matchLabels: {app: reviews}}, rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/web]}}], "
        "to: [{operation: {methods: [GET]}}]}]}",
    )
    forged = {"x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/default/sa/web"}
    until(mesh, 403, "batch", "http://reviews.default:9080/", **forged)
    assert ask(mesh, "web", "http://reviews:9080/").status == 200
    assert ask(mesh, "web", "http://reviews:9080/", "POST").status == 403
    assert ask(mesh, "web", "http://ledger:8080/").status == 200


def test_a_denial_names_its_rule_and_wins(mesh: RunningMesh) -> None:
    """DENY comes before ALLOW; namespaces, paths with templates, and hosts with any port are compared."""
    policy(mesh, "all", "{rules: [{}]}")
    policy(
        mesh,
        "no-jobs",
        "{action: DENY, rules: [{to: [{operation: {paths: ['/users/{*}/keys/{**}']}}]}, "
        "{from: [{source: {namespaces: [jobs]}}], to: [{operation: {hosts: [REVIEWS.default]}}]}]}",
    )
    refused = until(mesh, 403, "batch", "http://reviews.default:9080/")
    assert refused.headers["x-weft-denied-by"] == "rbac_access_denied_matched_policy[ns[default]-policy[no-jobs]-rule[1]]"
    assert ask(mesh, "web", "http://reviews:9080/users/7/keys/a/b?q=1").status == 403
    assert ask(mesh, "web", "http://reviews:9080/users/7/8/keys/a").status == 200
    assert ask(mesh, "web", "http://reviews:9080/x/../users/7/keys/a").status == 403
    assert ask(mesh, "batch", "http://reviews.default.svc.cluster.local:9080/").status == 200


def test_a_port_is_the_one_that_callers_or_the_application_know(mesh: RunningMesh) -> None:
    """Of two ports of a workload only the one that is named is closed."""
    policy(mesh, "no-admin", "{action: DENY, rules: [{to: [{operation: {ports: ['9090']}}]}]}")
    until(mesh, 403, "web", "http://ledger:9090/")
    assert ask(mesh, "web", "http://ledger:8080/").status == 200


def test_conditions_on_headers_and_their_negation(mesh: RunningMesh) -> None:
    """`when` holds for one header's values and not for others; a request without it fits the negation."""
    policy(
        mesh,
        "teams",
        "{action: DENY, rules: [{when: [{key: 'request.headers[x-team]', notValues: [red, 'blue*']}]}]}",
    )
    until(mesh, 403, "web", "http://reviews:9080/")
    assert ask(mesh, "web", "http://reviews:9080/", **{"x-team": "red"}).status == 200
    assert ask(mesh, "web", "http://reviews:9080/", **{"x-team": "bluebell"}).status == 200
    assert ask(mesh, "web", "http://reviews:9080/", **{"x-team": "green"}).status == 403


def test_the_root_namespace_speaks_for_all(mesh: RunningMesh) -> None:
    """A policy of istio-system is for every namespace."""
    policy(mesh, "no-post", "{action: DENY, rules: [{to: [{operation: {methods: [POST]}}]}]}", "istio-system")
    until(mesh, 403, "web", "http://reviews:9080/", "POST")
    assert ask(mesh, "web", "http://reviews:9080/").status == 200


def test_a_dry_run_decides_nothing(mesh: RunningMesh) -> None:
    """Its rules are evaluated beside the others, and the request passes."""
    policy(mesh, "first", "{action: DENY, rules: [{to: [{operation: {methods: [DELETE]}}]}]}")
    policy(mesh, "later", "{}", annotations="{istio.io/dry-run: 'true'}")
    until(mesh, 403, "web", "http://reviews:9080/", "DELETE")
    assert ask(mesh, "web", "http://reviews:9080/").status == 200


def says_something(mesh: RunningMesh, caller: str) -> bool:
    """Whether the TCP service answers the workload `caller`."""
    host, _, port = mesh.proxy(f"{caller}-0").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as tunnel:
        tunnel.sendall(b"CONNECT store.default:5432 HTTP/1.1\r\nHost: store.default:5432\r\n\r\n")
        head = tunnel.recv(4096)
        tunnel.sendall(b"hello\n")
        try:
            return b" 200 " in head and bool(tunnel.recv(100))
        except OSError:
            return False


def test_connections_are_decided_by_who_calls(mesh: RunningMesh) -> None:
    """For bytes that are not read a rule that allows by method allows nobody; one by identity does."""
    mesh.until(lambda: says_something(mesh, "batch"), 5)
    policy(mesh, "store", "{selector: {matchLabels: {app: store}}, rules: [{from: [{source: {serviceAccounts: [web]}}]}]}")
    mesh.until(lambda: not says_something(mesh, "batch"), 5)
    assert says_something(mesh, "web")
    policy(mesh, "store", "{selector: {matchLabels: {app: store}}, rules: [{to: [{operation: {methods: [GET]}}]}]}")
    mesh.until(lambda: not says_something(mesh, "web"), 5)


def test_what_cannot_be_enforced_is_refused(mesh: RunningMesh) -> None:
    """A policy that would be ignored is not taken: it says what and where."""
    for spec, word in (
        ("{action: CUSTOM, rules: [{}]}", "spec.provider"),
        ("{rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}]}", "spec.rules[0].from[0].source.ipBlocks[0]"),
        ("{rules: [{when: [{key: request.path, values: [a]}]}]}", "spec.rules[0].when[0].key"),
        ("{rules: [{to: [{operation: {paths: ['/a/{*']}}]}]}", "spec.rules[0].to[0].operation.paths[0]"),
        ("{rules: [{from: []}]}", "spec.rules[0].from"),
    ):
        text = f"apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: wrong}}\nspec: {spec}\n"
        done = mesh.weft("apply", "-f", "-", stdin=text, code=None)
        assert done.code and word in done.err, done


def test_a_gateway_is_guarded_by_its_policies(mesh: RunningMesh) -> None:
    """A policy that selects the gateway's workload is for what comes from outside."""
    mesh.apply("""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8099, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: default}
spec: {hosts: ["*"], gateways: [edge], http: [{route: [{destination: {host: reviews}}]}]}
""")

    def outside(path: str) -> Answer:
        port = mesh.instances()["ingress-0"]["gatewayPorts"].get("8099")
        return mesh.call(path, proxy=f"127.0.0.1:{port}", headers={"Host": "edge.example.com"}) if port else Answer(0, "", 0, {})

    mesh.until(lambda: outside("/").status == 200, 10)
    policy(
        mesh,
        "edge",
        "{selector: {matchLabels: {istio: ingressgateway}}, action: DENY, rules: [{to: [{operation: {paths: [/admin*]}}]}]}",
        "istio-system",
    )
    mesh.until(lambda: outside("/admin/x").status == 403, 5)
    assert outside("/x").status == 200


def _part(of: object) -> str:
    text = of if isinstance(of, bytes) else json.dumps(of).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class Issuer:
    """Who signs tokens (ES256, RFC 7518)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwks(self) -> str:
        """Its keys."""
        numbers = self._key.public_key().public_numbers()
        point = {"x": _part(numbers.x.to_bytes(32, "big")), "y": _part(numbers.y.to_bytes(32, "big"))}
        return json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "1", **point}]})

    def token(self, **claims: object) -> str:
        """A token that holds for a minute, unless `claims` say otherwise."""
        said = {"iss": self.name, "sub": "jo", "exp": int(time.time()) + 60, **claims}
        signed = f"{_part({'alg': 'ES256', 'kid': '1', 'typ': 'JWT'})}.{_part(said)}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def bearer(token: str) -> dict[str, str]:
    """The header that shows it."""
    return {"Authorization": f"Bearer {token}"}


def test_tokens_are_checked_and_policies_know_their_claims(mesh: RunningMesh) -> None:
    """A wrong token is refused with 401; none is nobody; claims, audiences and the subject decide."""
    issuer, stranger = Issuer("https://login.example.com"), Issuer("https://login.example.com")
    mesh.apply(f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens, namespace: default}}
spec:
  selector: {{matchLabels: {{app: reviews}}}}
  jwtRules:
  - issuer: https://login.example.com
    jwks: '{issuer.jwks}'
    fromHeaders: [{{name: Authorization, prefix: "Bearer "}}, {{name: x-token}}]
    forwardOriginalToken: true
    outputClaimToHeaders: [{{header: x-who, claim: sub}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: staff, namespace: default}}
spec:
  selector: {{matchLabels: {{app: reviews}}}}
  rules:
  - from: [{{source: {{requestPrincipals: ["https://login.example.com/jo"]}}}}]
    when: [{{key: "request.auth.claims[groups]", values: [staff]}}]
  - from: [{{source: {{requestPrincipals: ["*"]}}}}]
    when: [{{key: "request.auth.claims[realm][roles]", values: [admin]}}, {{key: request.auth.audiences, values: [weft]}}]
  - from: [{{source: {{requestPrincipals: ["*"]}}}}]
    when: [{{key: "request.auth.claims[scope]", values: [read]}}]
""")
    url = "http://reviews:9080/"
    until(mesh, 403, "web", url)
    seen = until(mesh, 200, "web", url, **bearer(issuer.token(groups=["other", "staff"]))).echo["headers"]
    assert seen["x-who"] == "jo" and seen["authorization"].startswith("Bearer ")
    assert ask(mesh, "web", url, **bearer(stranger.token(groups=["staff"]))).status == 401
    assert ask(mesh, "web", url, **bearer(issuer.token(groups=["staff"], exp=1))).status == 401
    assert ask(mesh, "web", url, **bearer(issuer.token(groups=["staff"], sub="al"))).status == 403
    assert ask(mesh, "web", url, **bearer(issuer.token(sub="al", aud=["x", "weft"], realm={"roles": ["admin"]}))).status == 200
    assert ask(mesh, "web", url, **bearer(issuer.token(sub="al", aud="x", realm={"roles": ["admin"]}))).status == 403
    assert ask(mesh, "web", url, **{"x-token": issuer.token(scope="write read")}).status == 200
    assert ask(mesh, "web", "http://ledger:8080/", **bearer("nonsense")).status == 200
