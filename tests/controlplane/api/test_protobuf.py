"""Objects in protobuf, as `kubectl create` sends them."""

import pytest

from weft.controlplane.api.protobuf import MEDIA_TYPE, decoded
from weft.controlplane.api.status import Refused

from .conftest import Api


def field(number: int, value: bytes | int) -> bytes:
    """A field on the wire; small numbers only."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def sent(api_version: str, kind: str, raw: bytes) -> bytes:
    """An object in its envelope."""
    return b"k8s\x00" + field(1, field(1, api_version.encode()) + field(2, kind.encode())) + field(2, raw) + field(3, b"")


NAMESPACE = sent("v1", "Namespace", field(1, field(1, b"shop") + field(8, b"") + field(11, field(1, b"a") + field(2, b"b"))))


async def test_a_namespace_is_created(api: Api) -> None:
    """`kubectl create namespace` works."""
    answer = await api.http.post("/api/v1/namespaces", content=NAMESPACE, headers={"content-type": MEDIA_TYPE})
    assert answer.status_code == 201
    assert answer.json()["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "shop"}


async def test_a_deletion_has_options_in_protobuf(api: Api) -> None:
    """Go's clients delete what is Kubernetes' own so; a precondition that does not hold is respected."""
    await api.http.post("/api/v1/namespaces/default/configmaps", json={"metadata": {"name": "a"}})
    for options, code in ((field(2, field(1, b"another")), 409), (field(4, b"Background"), 200)):
        content = sent("v1", "DeleteOptions", options)
        path = "/api/v1/namespaces/default/configmaps/a"
        answer = await api.http.request("DELETE", path, content=content, headers={"content-type": MEDIA_TYPE})
        assert answer.status_code == code


def test_ports_and_maps() -> None:
    """A Service's ports, their targets by number or name, and its selector are read."""
    named = field(1, b"http") + field(2, b"TCP") + field(3, 80) + field(4, field(1, 1) + field(3, b"web")) + field(5, 0)
    plain = field(3, 81) + field(4, field(1, 0) + field(2, 82))
    spec = field(1, named) + field(1, plain) + field(2, field(1, b"app") + field(2, b"x")) + field(4, b"ClusterIP")
    found = decoded(sent("v1", "Service", field(1, field(1, b"a")) + field(2, spec)))
    assert found == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a"},
        "spec": {
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "web"}, {"port": 81, "targetPort": 82}],
            "selector": {"app": "x"},
            "type": "ClusterIP",
        },
    }


def test_secrets_are_base64() -> None:
    """Bytes become base64, as in JSON."""
    raw = field(1, field(1, b"s")) + field(2, field(1, b"k") + field(2, b"\x00\xff")) + field(3, b"Opaque")
    assert decoded(sent("v1", "Secret", raw))["data"] == {"k": "AP8="}


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"{}", 400), (NAMESPACE[:-9], 400), (b"k8s\x00\xff", 400), (b"k8s\x00", 400), (sent("apps/v1", "Deployment", b""), 415)],
)
def test_what_is_broken_is_refused(content: bytes, code: int) -> None:
    """Broken bytes are a bad request, a kind that is not read so is told to be sent as JSON."""
    with pytest.raises(Refused) as refused:
        decoded(content)
    assert refused.value.code == code
