"""How Envoys are started, put together from the ProxyConfigs that concern them."""

from typing import Any

from weft.controlplane.proxy_configs import ProxyConfigs
from weft.model.workload import Proxy, Workload
from weft.resource.decode import decode
from weft.resource.resource import Resource


def _config(namespace: str, name: str, made: str = "2026-01-01T00:00:00Z", **spec: Any) -> Resource:
    meta = {"name": name, "namespace": namespace, "creationTimestamp": made}
    raw = {"apiVersion": "networking.istio.io/v1beta1", "kind": "ProxyConfig", "metadata": meta, "spec": spec}
    found = decode(raw).resource
    assert found
    return found


def _proxy(name: str, namespace: str = "shop", **labels: str) -> Proxy:
    return Proxy(Workload(namespace, name, "default", tuple(sorted(labels.items()))))


def test_the_nearer_says_it_field_by_field() -> None:
    """A workload's labels before its namespace, that before the root namespace; variables are laid over each other."""
    configs = ProxyConfigs("istio-system")
    configs.take(
        [
            _config("istio-system", "mesh", concurrency=4, environmentVariables={"A": "mesh", "B": "mesh"}),
            _config("shop", "all", environmentVariables={"B": "shop"}),
            _config("shop", "web", concurrency=0, selector={"matchLabels": {"app": "web"}}),
            _config("shop", "young", "2026-02-01T00:00:00Z", concurrency=9),
            _config("istio-system", "gateways", concurrency=7, selector={"matchLabels": {"app": "web"}}),
        ]
    )
    said = configs.settings([_proxy("web-0", app="web"), _proxy("job-0"), _proxy("x-0", "other")]).proxies
    assert {key: (one.concurrency, dict(one.environment)) for key, one in said.items()} == {
        "shop/web-0": (0, {"A": "mesh", "B": "shop"}),
        "shop/job-0": (4, {"A": "mesh", "B": "shop"}),
        "other/x-0": (4, {"A": "mesh", "B": "mesh"}),
    }


def test_where_nothing_is_said_nothing_is_told() -> None:
    """A proxy that no ProxyConfig concerns has no settings."""
    configs = ProxyConfigs("istio-system")
    configs.take([_config("shop", "web", concurrency=2)])
    assert not configs.settings([_proxy("x-0", "other")]).proxies
