"""How Envoys are to be started: what the ProxyConfigs that concern a proxy say together.

https://istio.io/latest/docs/reference/config/networking/proxy-config/
"""

from collections.abc import Iterable, Iterator

from weft.model.labels import labels, selects
from weft.model.workload import Proxy
from weft.proto import node_pb2
from weft.resource.istio.proxy_config import ProxyConfig
from weft.resource.resource import Resource

PROXY_CONFIGS = "proxyconfigs.networking.istio.io"


class ProxyConfigs:
    """The ProxyConfigs of a mesh whose root namespace is `root`."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._said: tuple[Resource, ...] = ()

    def take(self, resources: Iterable[Resource]) -> None:
        """These are all resources now."""
        found = [one for one in resources if isinstance(one.spec, ProxyConfig)]
        self._said = tuple(sorted(found, key=lambda one: (one.meta.creation_timestamp, one.ref)))

    def settings(self, proxies: Iterable[Proxy]) -> node_pb2.AllProxySettings:
        """Those of each of `proxies` of which something is said."""
        found = {proxy.workload.key: _together(self._levels(proxy)) for proxy in proxies} if self._said else {}
        return node_pb2.AllProxySettings(proxies={key: said for key, said in found.items() if said is not None})

    def _levels(self, proxy: Proxy) -> Iterator[ProxyConfig]:
        """Of the root namespace, of the proxy's own, and for its labels: the oldest of each."""
        work = proxy.workload
        for namespace, selected in ((self._root, False), (work.namespace, False), (work.namespace, True)):
            for one in self._said:
                spec = one.spec
                if not isinstance(spec, ProxyConfig) or one.meta.namespace != namespace:
                    continue
                wanted = labels(spec.selector.match_labels) if spec.selector else ()
                if bool(wanted) is selected and selects(wanted, work.labels):
                    yield spec
                    break


def _together(levels: Iterable[ProxyConfig]) -> node_pb2.ProxySettings | None:
    """What all say, the later over the earlier; None: nothing."""
    said = node_pb2.ProxySettings()
    for one in levels:
        if one.concurrency is not None:
            said.concurrency = one.concurrency
        said.environment.update(one.environment_variables)
    return said if said.HasField("concurrency") or said.environment else None
