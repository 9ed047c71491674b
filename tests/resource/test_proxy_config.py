"""ProxyConfig is taken, and says of every field that it has no effect."""

from weft.resource.decode import decode


def test_every_field_is_a_finding() -> None:
    """None is dropped silently, and the resource is accepted."""
    spec = {
        "selector": {"matchLabels": {"app": "web"}},
        "concurrency": 2,
        "environmentVariables": {"A": "b"},
        "image": {"imageType": "distroless"},
    }
    raw = {"apiVersion": "networking.istio.io/v1beta1", "kind": "ProxyConfig", "metadata": {"name": "x"}, "spec": spec}
    found = decode(raw)
    assert found.resource
    assert {(one.code, one.ref.field) for one in found.findings} == {
        ("unsupported-field", f"spec.{name}") for name in ("concurrency", "environmentVariables", "image")
    }
