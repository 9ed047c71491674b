"""Manifests that are wrong on purpose, or too much: the offender is told why, and everybody else is served as ever."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import pytest

from processes.mesh import CONTROL_PLANE, RunningMesh, running_mesh
from weft.cli.access import access, tls
from weft.cli.api_client import ApiClient, ApiError

MESH = """
services:
  client: {command: sleep 100000}
  reviews: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  ratings: {command: weft echo, x-weft: {ports: [{name: http, port: 9080}]}}
  ingress: {x-weft: {gateway: true, labels: {istio: ingressgateway}}}
"""
NETWORKING = "/apis/networking.istio.io/v1/namespaces/default"
MOST_MEMORY = 400 * 2**20
"""Bytes by which a control plane may have grown after all this."""

Json = dict[str, Any]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH) as running:
        yield running


def rule(**more: Any) -> Json:
    """A rule to ratings."""
    return {"route": [{"destination": {"host": "ratings"}}], **more}


def virtual_service(name: str, *rules: Json, hosts: tuple[str, ...] = ("ratings",), **spec: Any) -> Json:
    """Rules for hosts."""
    body = {"hosts": list(hosts), "http": list(rules) or [rule()], **spec}
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": name}, "spec": body}


def destination_rule(name: str, policy: Json) -> Json:
    """A policy for ratings."""
    body = {"host": "ratings", "trafficPolicy": policy}
    return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": name}, "spec": body}


def gateway(name: str, port: Json, **server: Any) -> Json:
    """A Gateway for every gateway workload."""
    body = {"selector": {"istio": "ingressgateway"}, "servers": [{"port": port, "hosts": ["*"], **server}]}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": name}, "spec": body}


def matched(**uri: str) -> Json:
    """A rule for a path."""
    return rule(match=[{"uri": uri}])


def deep(levels: int) -> Json:
    """Objects in objects."""
    found: Json = {}
    for _ in range(levels):
        found = {"a": found}
    return found


def plural(body: Json) -> str:
    """Where an object stands."""
    return {"VirtualService": "virtualservices", "DestinationRule": "destinationrules", "Gateway": "gateways"}[body["kind"]]


REFUSED: dict[str, tuple[Json, str, str]] = {
    "an invalid expression": (virtual_service("h", matched(regex="/a(?=b)")), "spec.http[0].match[0].uri.regex", "RE2"),
    "a catastrophic expression": (
        virtual_service("h", matched(regex="((((a{1,1000}){1,1000}){1,1000}){1,1000})+$")),
        "spec.http[0].match[0].uri.regex",
        "",
    ),
    "a very long expression": (virtual_service("h", matched(regex="(a|b)?" * 300_000)), "spec.http[0].match[0].uri.regex", ""),
    "a duration below zero": (virtual_service("h", rule(timeout="-1s")), "spec.http[0].timeout", "-1s"),
    "a duration of nothing": (
        virtual_service("h", rule(retries={"attempts": 1, "perTryTimeout": "0s"})),
        "spec.http[0].retries.perTryTimeout",
        "0s",
    ),
    "a time longer than the kernel's": (
        destination_rule("h", {"connectionPool": {"tcp": {"tcpKeepalive": {"time": "9223372036s"}}}}),
        "spec.trafficPolicy.connectionPool.tcp.tcpKeepalive.time",
        "kernel",
    ),
    "a number beyond all": (
        destination_rule("h", {"connectionPool": {"http": {"http1MaxPendingRequests": 2**63}}}),
        "spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests",
        "",
    ),
    "a million rules": (virtual_service("h", *[matched(prefix=f"/{n}") for n in range(30_000)]), "spec.http", "10000 elements"),
    "control characters in a header": (
        virtual_service("h", rule(headers={"request": {"set": {"x-a": "a\r\nx-b: c\x00"}}})),
        "spec.http[0].headers.request.set",
        "",
    ),
    "a header with a name of other letters": (
        virtual_service("h", rule(headers={"request": {"set": {"ключ": "a"}}})),
        "spec.http[0].headers.request.set",
        "",
    ),
    "a host of other letters": (virtual_service("h", hosts=("рейтинг",)), "spec.hosts[0]", ""),
    "a hundred levels of nothing": (virtual_service("h", deep(100)), "spec.http[0].a", "no field a"),
}


@dataclass
class Watch:
    """How long the API took to answer somebody else, and how the control plane grew."""

    answers: list[float] = field(default_factory=list)
    grown: int = 0


@contextmanager
def others(mesh: RunningMesh) -> Iterator[Watch]:
    """While the block runs another client asks the API all the time."""
    watch, over = Watch(), threading.Event()
    process = psutil.Process(mesh.processes()[CONTROL_PLANE])
    before = process.memory_info().rss

    def ask() -> None:
        with mesh.api() as api:
            while not over.wait(0.02):
                began = time.monotonic()
                api.get("/api/v1/namespaces/default/services/reviews")
                watch.answers.append(time.monotonic() - began)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield watch
    finally:
        over.set()
        asker.join()
        watch.grown = process.memory_info().rss - before
        slowest = max(watch.answers, default=0)
        print(f"{len(watch.answers)} answers, the slowest after {slowest:.2f} s; grown by {watch.grown >> 20} MiB")


def refusal(api: ApiClient, body: Json) -> Json:
    """The Status with which the API refuses an object."""
    with pytest.raises(ApiError) as refused:
        api.request("POST", f"{NETWORKING}/{plural(body)}?fieldValidation=Strict", body)
    found: Json = refused.value.status
    return found


def test_what_is_wrong_is_refused_and_nobody_else_notices(mesh: RunningMesh) -> None:
    """Each is refused at its field with its cause, while the mesh loses no request and the API answers others within a second."""
    with mesh.steady("reviews:9080") as load, others(mesh) as watch, mesh.api() as api:
        for what, (body, place, words) in REFUSED.items():
            began = time.monotonic()
            causes = refusal(api, body)["details"]["causes"]
            print(f"{what}: {time.monotonic() - began:.2f} s: {causes[0]['message'][:150]}")
            assert any(each["field"].startswith(place) and words in each["message"] for each in causes), (what, causes[:3])
    load.assert_whole()
    assert max(watch.answers, default=0) < 1.0
    assert watch.grown < MOST_MEMORY


TOLD: dict[str, tuple[list[Json], str]] = {
    "one host twice": ([virtual_service("h1", hosts=("ratings", "RATINGS"))], "is there twice"),
    "two owners of a host": ([virtual_service("h1"), virtual_service("h2")], "h1"),
    "rules that lead in a circle": (
        [
            virtual_service("h1", {"delegate": {"name": "h2"}}),
            virtual_service("h2", {"delegate": {"name": "h1"}}),
        ],
        "delegate",
    ),
    "a secret that is nowhere": (
        [
            gateway(
                "h1", {"number": 443, "name": "https", "protocol": "HTTPS"}, tls={"mode": "SIMPLE", "credentialName": "nowhere"}
            )
        ],
        "credentialName",
    ),
    "two protocols on one port": (
        [
            gateway("h1", {"number": 8443, "name": "http", "protocol": "HTTP"}),
            gateway("h2", {"number": 8443, "name": "tcp", "protocol": "TCP"}),
        ],
        "8443",
    ),
}


def told(api: ApiClient, body: Json) -> str:
    """What the status of an object says."""
    found = api.get(f"{NETWORKING}/{plural(body)}/{body['metadata']['name']}")
    return json.dumps(found.get("status", {}).get("validationMessages", []))


@pytest.mark.parametrize("what", TOLD)
def test_what_may_become_right_is_told_in_its_status(mesh: RunningMesh, what: str) -> None:
    """An object that contradicts another one, or needs what is not there, says so in its status; no request of others fails."""
    bodies, word = TOLD[what]
    refused = ""
    with mesh.steady("reviews:9080") as load, others(mesh) as watch, mesh.api() as api:
        made = []
        for body in bodies:
            try:
                api.request("POST", f"{NETWORKING}/{plural(body)}", body)
                made.append(body)
            except ApiError as problem:
                refused += str(problem)
        said = mesh.until(lambda: next((text for body in made if word in (text := told(api, body))), "") or refused)
        print(f"{what}: {said[:300]}")
        for body in made:
            api.request("DELETE", f"{NETWORKING}/{plural(body)}/{body['metadata']['name']}")
    assert word in said
    load.assert_whole(50)
    assert max(watch.answers, default=0) < 1.0


def test_bodies_that_explode(mesh: RunningMesh) -> None:
    """Aliases within aliases, a hundred thousand levels, half an object and sixty megabytes are refused with words at once."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    place = f"{NETWORKING}/virtualservices/h?fieldManager=h"
    granted = access(mesh.home.kubeconfig)
    bodies = {
        "aliases": ("PATCH", "application/apply-patch+yaml", bomb.encode(), 400),
        "levels": ("PATCH", "application/apply-patch+yaml", b"a: " + b"[" * 100_000 + b"]" * 100_000, 400),
        "levels of JSON": ("POST", "application/json", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        "half": ("POST", "application/json", b'{"kind": "VirtualService", "spec": {', 400),
        "a million rules": ("POST", "application/json", json.dumps(virtual_service("h", *[rule()] * 1_000_000)).encode(), 413),
    }
    with mesh.steady("reviews:9080") as load, others(mesh) as watch:
        for what, (method, form, body, code) in bodies.items():
            path = place if method == "PATCH" else f"{NETWORKING}/virtualservices"
            with httpx.Client(base_url=granted.server, verify=tls(granted), trust_env=False) as http:
                answer = http.request(method, path, content=body, headers={"content-type": form})
            print(f"{what}: {answer.status_code} {answer.text[:200]}")
            assert answer.status_code == code, what
            assert answer.json()["message"], what
    load.assert_whole()
    assert max(watch.answers, default=0) < 1.0
    assert watch.grown < MOST_MEMORY


@pytest.mark.timeout(300)
def test_many_large_objects(mesh: RunningMesh) -> None:
    """Ten VirtualServices of three thousand rules each are judged one after another; the API answers others meanwhile, and
    neither the mesh under load nor the memory notices much."""
    with mesh.steady("reviews:9080") as load, others(mesh) as watch, mesh.api() as api:
        for number in range(10):
            rules = [matched(prefix=f"/{number}/{each}") for each in range(3000)]
            large = virtual_service(f"large-{number}", *rules, hosts=(f"h{number}",))
            began = time.monotonic()
            api.request("POST", f"{NETWORKING}/virtualservices", large)
            print(f"judged in {time.monotonic() - began:.2f} s")
        for number in range(10):
            api.request("DELETE", f"{NETWORKING}/virtualservices/large-{number}")
    load.assert_whole()
    answers = sorted(watch.answers)
    print(f"p50 {answers[len(answers) // 2]:.3f} s, p99 {answers[len(answers) * 99 // 100]:.3f} s")
    assert answers[len(answers) // 2] < 0.2
    assert answers[len(answers) * 95 // 100] < 1.0
    assert watch.grown < 2 * MOST_MEMORY
