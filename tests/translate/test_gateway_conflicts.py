"""Servers of Gateways that stand in each other's way."""

from typing import Any

import pytest

from weft.model.mesh import Settings
from weft.resource.decode import decode
from weft.resource.resource import Resource
from weft.translate.mesh import Translation, advance, translation


def gateway(name: str, protocol: str, *, port: int = 8443, selector: str = "edge", host: str = "*", created: int = 0) -> Resource:
    """A Gateway with one server, made at a second of a day."""
    tls = {"tls": {"mode": "PASSTHROUGH"}} if protocol == "TLS" else {}
    server: dict[str, Any] = {"port": {"number": port, "name": "p", "protocol": protocol}, "hosts": [host], **tls}
    meta = {"name": name, "creationTimestamp": f"2026-01-01T00:00:{created:02}Z"}
    spec = {"selector": {"app": selector}, "servers": [server]}
    body = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": meta, "spec": spec}
    found = decode(body).resource
    assert found
    return found


def said(of: Translation) -> dict[str, list[str]]:
    """The codes about each Gateway."""
    return {ref.name: [one.code for one in found] for ref, found in of.findings.items() if found}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (gateway("a", "HTTP"), gateway("b", "TCP", created=1), {"b": ["conflict"]}),
        (gateway("a", "TCP"), gateway("b", "HTTP", created=1), {"a": ["listener-not-served"]}),
        (gateway("a", "TCP"), gateway("b", "TCP", created=1), {"b": ["conflict"]}),
        (gateway("a", "TLS", host="x.y"), gateway("b", "TLS", host="x.y", created=1), {"b": ["conflict"]}),
        (gateway("a", "TLS", host="x.y"), gateway("b", "TLS", host="z.y", created=1), {}),
        (gateway("a", "HTTP"), gateway("b", "TLS", created=1), {}),
        (gateway("a", "HTTP"), gateway("b", "HTTP", created=1), {}),
        (gateway("a", "HTTP"), gateway("b", "TCP", port=8444), {}),
        (gateway("a", "HTTP"), gateway("b", "TCP", selector="other"), {}),
    ],
)
def test_who_yields(one: Resource, other: Resource, expected: dict[str, list[str]]) -> None:
    """Plain TCP yields to HTTP, the younger of two to the older; it is said whichever came first, and no more when one goes."""
    empty = translation(Settings(), ())
    for first, second in ((one, other), (other, one)):
        half, _ = advance(empty, [(None, first)])
        whole, _ = advance(half, [(None, second)])
        assert said(whole) == expected
        assert said(advance(whole, [(first, None)])[0]) == {}
