"""Meshes and recorded calls of tests."""

from textwrap import dedent

import yaml

from weft.model.mesh import Mesh, Settings
from weft.resource.decode import decode
from weft.telemetry.calls import PLAINTEXT, Call, Caller, Edge, Operation, Seen
from weft.telemetry.recorded import Destination, RecordedCall
from weft.translate.mesh import translation

REVIEWS = Destination("default", "reviews", "reviews", (("app", "reviews"), ("version", "v1")))


def mesh(*texts: object) -> Mesh:
    """The mesh of some YAML texts, or values."""
    raws = [raw for text in texts for raw in (yaml.safe_load_all(dedent(text)) if isinstance(text, str) else [text])]
    found = [decode(raw) for raw in raws]
    assert all(one.resource for one in found), [str(each) for one in found for each in one.findings]
    return translation(Settings(), [one.resource for one in found if one.resource]).mesh


def policy(name: str, spec: str, namespace: str = "default") -> str:
    """An AuthorizationPolicy."""
    return f"""
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"""


def identity(account: str, namespace: str = "default") -> str:
    """A SPIFFE ID of the mesh."""
    return f"spiffe://cluster.local/ns/{namespace}/sa/{account}"


def call(
    path: str = "/", method: str = "GET", *, by: str = "web", to: Destination = REVIEWS, port: int = 9080, denied_by: str = ""
) -> RecordedCall:
    """A call of the workload `by`."""
    edge = Edge(to, port, Caller(identity(by)), denied_by)
    return Call(edge, Operation(method, "reviews:9080", path), Seen(3, 1_000.0, 2_000.0))


def connection(by: str = "web", to: Destination = REVIEWS, port: int = 5432) -> RecordedCall:
    """A connection whose bytes were not read."""
    return Call(Edge(to, port, Caller(identity(by))), Operation(), Seen(1, 1_000.0, 1_000.0))


def stranger(path: str = "/", address: str = "10.1.2.3") -> RecordedCall:
    """A call without a certificate."""
    edge = Edge(REVIEWS, 9080, Caller("", address, PLAINTEXT))
    return Call(edge, Operation("GET", "reviews", path), Seen(1, 1_000.0, 1_000.0))
