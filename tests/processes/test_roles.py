"""Who may do what at the API, by certificate and by token, and what is kept of it."""

import json
import ssl
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from processes.calls import needs
from processes.mesh import RunningMesh, running_mesh
from processes.token_issuer import TokenIssuer

MESH = "services: {web: {command: weft echo, x-weft: {ports: [{name: http, port: 80}]}}}"
RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{hosts: [{name}.example.com], http: [{{timeout: {timeout}, route: [{{destination: {{host: web}}}}]}}]}}
"""
POLICY = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nothing, namespace: default}
spec: {}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: word, namespace: default}
stringData: {word: VERY-SECRET-WORD}
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    """The OpenID provider of the API's callers."""
    issuer = TokenIssuer()
    yield issuer
    issuer.down()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, issuer: TokenIssuer) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WEFT_OIDC_ISSUER", issuer.name)
        environment.setenv("WEFT_OIDC_AUDIENCE", "weft-api")
        environment.setenv("WEFT_OIDC_ROLE", "platform=admin readers=viewer")
        with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
            yield running


@pytest.fixture(scope="module")
def users(mesh: RunningMesh, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A kubeconfig for a user of each role, who is called like it."""
    folder, found = tmp_path_factory.mktemp("users"), {}
    for role in ("viewer", "operator", "admin"):
        found[role] = folder / role
        found[role].write_text(mesh.weft("user", "create", f"{role}-jo", "--role", role).out)
    return found


def kubectl(kubeconfig: Path, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """Its exit code, and all that it printed."""
    command = ("kubectl", "--kubeconfig", str(kubeconfig), "--cache-dir", str(kubeconfig.parent / "cache"), *arguments)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@needs("kubectl")
def test_a_viewer_reads_what_is_no_secret(users: dict[str, Path]) -> None:
    """And changes nothing; who may is said."""
    viewer = users["viewer"]
    assert kubectl(viewer, "get", "services,virtualservices", "-A")[0] == 0
    code, said = kubectl(viewer, "get", "secrets")
    assert code and "viewer-jo" in said and "it takes the role admin" in said
    code, said = kubectl(viewer, "apply", "-f", "-", stdin=RULE.format(name="v", namespace="default", timeout="1s"))
    assert code and "it takes the role operator or admin" in said
    assert kubectl(viewer, "auth", "can-i", "list", "virtualservices")[1].strip() == "yes"
    assert kubectl(viewer, "auth", "can-i", "create", "virtualservices")[1].strip().startswith("no")
    assert "viewer-jo" in kubectl(viewer, "auth", "whoami")[1]


@needs("kubectl")
def test_an_operator_decides_about_traffic_and_not_about_trust(users: dict[str, Path], mesh: RunningMesh) -> None:
    """Nor about what holds for the whole mesh, nor in many at once."""
    operator = users["operator"]
    rule = RULE.format(name="v", namespace="default", timeout="1s")
    assert kubectl(operator, "apply", "-f", "-", stdin=rule)[0] == 0
    for wrong in (POLICY, SECRET, RULE.format(name="v", namespace="istio-system", timeout="1s")):
        code, said = kubectl(operator, "apply", "-f", "-", stdin=wrong)
        assert code and "orbidden" in said, said
    done = mesh.weft("apply", "--kubeconfig", str(operator), "-f", "-", stdin=f"{rule}---{POLICY}", code=None)
    assert done.code and "it takes the role admin" in done.err
    assert mesh.weft("user", "create", "me", "--role", "admin", "--kubeconfig", str(operator), code=None).code
    assert mesh.weft("audit", "--kubeconfig", str(operator), code=None).code


def test_what_was_changed_is_kept(users: dict[str, Path], mesh: RunningMesh) -> None:
    """Who, what, and from what to what; refusals too; and no secret."""
    admin = str(users["admin"])
    for timeout in ("2s", "3s"):
        rule = RULE.format(name="kept", namespace="default", timeout=timeout)
        mesh.weft("apply", "--kubeconfig", admin, "-f", "-", stdin=rule)
    mesh.weft("apply", "--kubeconfig", admin, "-f", "-", stdin=SECRET)
    mesh.weft("apply", "--kubeconfig", admin, "-f", "-", stdin=SECRET.replace("VERY", "MORE"))
    mesh.weft("delete", "virtualservice", "kept", "-n", "default", "--kubeconfig", admin)
    mesh.weft("apply", "--kubeconfig", str(users["viewer"]), "-f", "-", stdin=SECRET, code=None)
    found = json.loads(mesh.weft("audit", "-o", "json", "--since", "10m").out)
    of_rule = [(one["user"], of["outcome"], of["diff"]) for one in found for of in one["changes"] if of["name"] == "kept"]
    assert [one[:2] for one in of_rule] == [("admin-jo", "created"), ("admin-jo", "configured"), ("admin-jo", "deleted")]
    assert of_rule[1][2] == [{"path": "spec.http[0].timeout", "from": "2s", "to": "3s"}]
    assert ("viewer-jo", 403) in [(one["user"], one["status"]) for one in found]
    assert any(one["path"] == "/weft/v1/users" and one["role"] == "admin" for one in found)
    text = (mesh.home.path / "audit.log").read_text()
    assert "SECRET-WORD" not in text and "U0VDUkVU" not in text and '"name":"word"' in text
    assert "spec.http[0].timeout: 2s -> 3s" in mesh.weft("audit", "-o", "wide").out


def test_what_is_collected_for_support_has_no_secret(mesh: RunningMesh, tmp_path: Path) -> None:
    """Neither those of resources nor those of logs and configurations, nor any private key; what helps is there."""
    mesh.weft("apply", "-f", "-", stdin=SECRET)
    mesh.weft("apply", "-f", "-", stdin=RULE.format(name="kept", namespace="default", timeout="7s"))
    with open(mesh.home.log("agent"), "a") as log:
        log.write("authorization: Bearer VERY-SECRET-WORD\n")
    mesh.weft("support", str(tmp_path / "bundle.tar.gz"))
    with tarfile.open(tmp_path / "bundle.tar.gz") as archive:
        found = {one.name.removeprefix("weft-support/"): archive.extractfile(one) for one in archive.getmembers()}
        texts = {name: file.read().decode() for name, file in found.items() if file}
    assert "timeout: 7s" in texts["resources/virtualservices.networking.istio.io.yaml"]
    assert "name: word" in texts["resources/secrets.yaml"]
    assert {"logs/control-plane.log", "logs/agent.log", "audit.json", "calls.json", "instances.json"} <= texts.keys()
    assert "inbound|80" in texts["proxies/default.web-0.json"] and "weft-api" not in texts["missing.txt"]
    whole = "\n".join(texts.values())
    for secret in ("VERY-SECRET-WORD", "VkVSWS1TRUNSRVQt", "BEGIN PRIVATE KEY", "BEGIN EC PRIVATE"):
        assert secret not in whole
    token = (mesh.home.path / "join.token").read_text().strip() if (mesh.home.path / "join.token").exists() else ""
    assert not token or token not in whole


def test_a_token_of_the_provider_lets_in(mesh: RunningMesh, issuer: TokenIssuer) -> None:
    """With the role of its groups; an expired one, one for others, and none at all do not."""
    known = yaml.safe_load(mesh.home.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]

    trust = ssl.create_default_context(cafile=mesh.home.path / "ca" / "api" / "ca.crt")

    def answers(token: str | None, method: str = "GET") -> int:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        path = f"{known}/api/v1/namespaces/default/configmaps"
        body = {"metadata": {"name": f"c-{issuer.asked}"}} if method == "POST" else None
        return httpx.request(method, path, headers=headers, verify=trust, trust_env=False, json=body).status_code

    reader = issuer.token(aud="weft-api", groups=["readers"])
    assert (answers(reader), answers(reader, "POST")) == (200, 403)
    assert answers(issuer.token(aud="weft-api", groups=["platform"]), "POST") == 201
    assert answers(issuer.token(aud="weft-api", groups=["others"])) == 403
    assert answers(issuer.token(aud="weft-api", groups=["platform"], exp=1)) == 401
    assert answers(issuer.token(aud="another", groups=["platform"])) == 401
    assert answers(issuer.token(aud="weft-api", groups=["platform"], header={"alg": "none"})) == 401
    assert answers(issuer.token(aud="weft-api", groups=["platform"], header={"alg": "HS256"})) == 401
    assert answers(None) == 401
    assert "oidc:jo" in mesh.weft("audit").out
