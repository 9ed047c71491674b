"""Which patches are for a proxy, in the order in which they are applied.

Those of the root namespace come first, then those of the proxy's own; in each by priority, then the older, then by name.
https://istio.io/latest/docs/reference/config/networking/envoy-filter/
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from weft.model.extension import Context, EnvoyFilter, Patch
from weft.model.labels import Labels, labels, selects
from weft.model.mesh import Mesh
from weft.model.workload import Proxy


def patches(mesh: Mesh, proxy: Proxy) -> tuple[Patch, ...]:
    """The patches for `proxy`."""
    if not mesh.envoy_filters:
        return ()
    return tuple(_patches(mesh, proxy))


def _patches(mesh: Mesh, proxy: Proxy) -> Iterator[Patch]:
    known = metadata(proxy)
    for namespace in dict.fromkeys((mesh.settings.root_namespace, proxy.workload.namespace)):
        for one in mesh.envoy_filters.get(namespace, ()):
            if _is_for(one, proxy.workload.labels):
                yield from (patch for patch in one.patches if _concerns(patch, proxy, known))


def _is_for(of: EnvoyFilter, own: Labels) -> bool:
    return any(selects(selector, own) for selector in of.selectors)


def _concerns(of: Patch, proxy: Proxy, known: Labels) -> bool:
    sides = (Context.ANY, Context.GATEWAY) if proxy.gateway else (Context.ANY, Context.SIDECAR_INBOUND, Context.SIDECAR_OUTBOUND)
    if of.context not in sides or not selects(of.metadata, known):
        return False
    return not of.proxy_version or _found(of.proxy_version, proxy.envoy_version)


def metadata(proxy: Proxy) -> Labels:
    """What a proxy is known by: its labels, and Istio's names for where it is."""
    work = proxy.workload
    own = {"NAMESPACE": work.namespace, "NAME": work.name, "SERVICE_ACCOUNT": work.service_account}
    return labels({**dict(work.labels), **own})


@lru_cache(maxsize=256)
def _found(pattern: str, version: str) -> bool:
    try:
        return re.search(pattern, version) is not None
    except re.error:  # RE2 knows a little that Python does not
        return False
