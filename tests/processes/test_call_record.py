"""The record of who calls what: from real sidecars to the control plane, and what is done with it."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from processes.mesh import CONTROL_PLANE, RunningMesh, running_mesh
from weft.evidence.bypass import GRACE

MESH = """
services:
  web: {command: sleep 100000}
  batch: {command: sleep 100000, x-weft: {namespace: jobs}}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  store: {command: weft echo, x-weft: {ports: [{name: tcp, port: 5432}]}}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def calls(mesh: RunningMesh, **asked: str) -> list[dict[str, Any]]:
    """The record."""
    with mesh.api() as api:
        found: list[dict[str, Any]] = api.get("/weft/v1/calls", **asked)["items"]
        return found


def ask(mesh: RunningMesh, caller: str, url: str, method: str = "GET", **headers: str) -> int:
    """The status of a request of the workload `caller`."""
    return mesh.call(url, proxy=mesh.proxy(f"{caller}-0"), method=method, headers=headers).status


def plain(mesh: RunningMesh, service: str, said: bytes) -> bytes:
    """What a stranger without a certificate is answered at the sidecar of a service."""
    port = mesh.instances()[f"{service}-0"]["ports"][0]
    with socket.create_connection((mesh.instances()[f"{service}-0"]["host"], port["sidecar"]), 5) as stranger:
        stranger.settimeout(5)
        stranger.sendall(said)
        return stranger.recv(4096)


def test_what_is_called_is_recorded_and_survives(mesh: RunningMesh) -> None:
    """Identity, workload, port, method, host and template are there, secrets are not; a killed control plane still knows."""
    for number in range(12):
        assert ask(mesh, "web", f"http://reviews:9080/books/{number}/reviews?token=s3cret", authorization="Bearer s3cret") == 200
    assert ask(mesh, "batch", "http://reviews.default:9080/import", "POST") == 200

    def seen() -> list[dict[str, Any]] | None:
        found = calls(mesh, workload="reviews")
        return found if sum(one["count"] for one in found) >= 13 else None

    found = mesh.until(seen, 15)
    assert isinstance(found, list)
    rows = {(one["source"]["identity"], one["method"], one["host"], one["path"]): one for one in found}
    read = rows["spiffe://cluster.local/ns/default/sa/web", "GET", "reviews:9080", "/books/{*}/reviews"]
    assert read["count"] == 12 and read["deniedBy"] == "" and read["source"]["transport"] == "mtls"
    assert read["destination"]["port"] == 9080 and read["destination"]["labels"]["app"] == "reviews"
    assert ("spiffe://cluster.local/ns/jobs/sa/batch", "POST", "reviews.default:9080", "/import") in rows
    assert "s3cret" not in str(found)
    mesh.until(lambda: b"reviews" in (mesh.home.path / "calls.db-wal").read_bytes() or None, 10)
    mesh.killed(CONTROL_PLANE)
    mesh.until(mesh.ready_control_plane)
    kept = {(one["path"], one["count"]) for one in calls(mesh, workload="reviews")}
    assert kept >= {("/books/{*}/reviews", 12), ("/import", 1)}


def applied(mesh: RunningMesh, name: str, spec: str, *options: str, code: int = 0, note: str = "") -> str:
    """What `weft apply` says of an AuthorizationPolicy of the namespace default."""
    annotations = f', annotations: {{mesh.weft.dev/allow-breaking: "{note}"}}' if note else ""
    text = f"""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: default{annotations}}}
spec: {spec}
"""
    done = mesh.weft("apply", *options, "-f", "-", stdin=text, code=code)
    return done.out + done.err


READERS = "{selector: {matchLabels: {app: reviews}}, rules: [{to: [{operation: {methods: [GET]}}]}]}"
WEB = "from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]"
ONLY_WEB = f"{{selector: {{matchLabels: {{app: reviews}}}}, rules: [{{{WEB}}}]}}"


def test_a_policy_that_denies_what_is_called_is_refused_with_the_callers(mesh: RunningMesh) -> None:
    """Named are caller, call and rule; `policy test` says the same; it is applied when it is meant, by option or annotation; an
    ALLOW policy that others need is not deleted either."""
    refused = applied(mesh, "readers", READERS, code=1)
    assert "denies-seen-calls" in refused and "nothing was applied" in refused
    assert "spiffe://cluster.local/ns/jobs/sa/batch to default/reviews:9080 POST /import" in refused
    assert "no rule of default/readers allows it" in refused and "ns/default/sa/web" not in refused
    (mesh.folder / "readers.yaml").write_text(
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: readers}, spec: " + READERS + "}"
    )
    tested = mesh.weft("policy", "test", "-f", "readers.yaml", code=1).out
    assert tested.startswith("EFFECT") and "denied" in tested and "ns/jobs/sa/batch" in tested and "1 decided otherwise" in tested
    assert "denies-seen-calls" in applied(mesh, "readers", READERS, "--allow-breaking")
    assert applied(mesh, "only-web", ONLY_WEB) and ask(mesh, "web", "http://reviews:9080/books/1/reviews") == 200
    mesh.until(lambda: ask(mesh, "batch", "http://reviews.default:9080/import", "POST") == 403 or None, 5)
    assert ask(mesh, "web", "http://reviews:9080/import", "POST") == 200

    def needed() -> bool:
        return any(one["method"] == "POST" and "sa/web" in one["source"]["identity"] for one in calls(mesh, workload="reviews"))

    mesh.until(needed, 10)
    told = mesh.weft("delete", "authorizationpolicy", "only-web", code=1).err
    assert "it would deny calls that are made: spiffe://cluster.local/ns/default/sa/web" in told
    mesh.weft("delete", "authorizationpolicy", "only-web", "--allow-breaking")
    applied(mesh, "readers", READERS.replace("GET", "PUT"), note="true")
    opened = mesh.weft("delete", "authorizationpolicy", "readers")
    assert "deleted" in opened.out


def test_what_is_suggested_lets_pass_what_was_seen_and_nothing_else(mesh: RunningMesh) -> None:
    """The suggestion is applied with a default deny without a word of refusal; the rest is denied, TCP too."""
    assert b'"ping"' in plain(mesh, "store", b"ping\n")
    mesh.until(lambda: calls(mesh, workload="store") or None, 10)
    suggested = mesh.weft("policy", "suggest", "default", "--default-deny").out
    assert "paths:" in suggested and "/books/{*}/reviews" in suggested
    assert "denies-seen-calls" not in mesh.weft("apply", "-f", "-", stdin=suggested).err
    mesh.until(lambda: ask(mesh, "web", "http://reviews:9080/never") == 403 or None, 5)
    assert ask(mesh, "web", "http://reviews:9080/books/99/reviews") == 200
    assert ask(mesh, "batch", "http://reviews.default:9080/import", "POST") == 200
    refused = mesh.call("http://reviews.default:9080/import", proxy=mesh.proxy("batch-0"))
    assert (refused.status, "default/calls-to-reviews" in refused.body) == (403, True)


def closed(mesh: RunningMesh) -> None:
    """Deletes all policies of the namespace default."""
    with mesh.api() as api:
        path = "/apis/security.istio.io/v1/namespaces/default/authorizationpolicies"
        api.request("DELETE", path, query={"allow": "denies-seen-calls"})


def test_a_policy_on_trial_tells_what_it_would_have_denied(mesh: RunningMesh) -> None:
    """Real traffic passes it, and the report names caller, call and policy; it is no alarm."""
    closed(mesh)
    mesh.apply("""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: trial, namespace: default, annotations: {istio.io/dry-run: "true"}}
spec: {selector: {matchLabels: {app: reviews}}, action: DENY, rules: [{to: [{operation: {methods: [PUT]}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: only-web, namespace: default, annotations: {istio.io/dry-run: "true"}}
spec: {selector: {matchLabels: {app: reviews}}, rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]}]}
""")

    def told() -> str:
        assert ask(mesh, "web", "http://reviews:9080/books/1", "PUT") == 200
        assert ask(mesh, "batch", "http://reviews.default:9080/import", "POST") == 200
        out = mesh.weft("policy", "shadow", "default/reviews").out
        return out if "default/trial rule 0" in out and "no rule of default/only-web allows it" in out else ""

    found = mesh.until(told, 15)
    assert isinstance(found, str)
    assert "on trial: default/only-web, default/trial" in found
    (denied,) = [line for line in found.splitlines() if "default/trial rule 0" in line]
    assert "sa/web" in denied and "PUT reviews:9080 /books/{*}" in denied and denied.endswith("denied")
    assert mesh.weft("policy", "alarms").out == ""


def test_a_connection_that_is_older_than_its_policy_is_an_alarm(mesh: RunningMesh) -> None:
    """Envoy asks the rules of a connection once: what it goes on to carry is named."""
    closed(mesh)
    instance = mesh.instances()["store-0"]
    with socket.create_connection((instance["host"], instance["ports"][0]["sidecar"]), 5) as old:
        old.settimeout(5)
        old.sendall(b"before\n")
        assert b"before" in old.recv(4096)
        applied(mesh, "nothing", "{selector: {matchLabels: {app: store}}}", "--allow-breaking")
        time.sleep(GRACE + 4)  # the watch looks every three seconds
        old.sendall(b"after\n")
        assert b"after" in old.recv(4096)
    found = mesh.until(lambda: mesh.weft("policy", "alarms", code=None).out, 20)
    assert isinstance(found, str)
    assert "bypassed: a connection of 127.0.0.1 (plaintext) reached default/store:5432 although since" in found
    assert "no rule of default/nothing allows it" in found
