"""The namespaces that exist from the start."""

from collections.abc import Iterable

from weft.controlplane.api import lifecycle
from weft.controlplane.api.change import Resources
from weft.resource.kinds import NAMESPACE
from weft.store.store import Conflict, Key, Put, Store


async def ensure(store: Store, names: Iterable[str]) -> None:
    """Creates those of the namespaces that do not exist."""
    resources = Resources(store)
    for name in names:
        raw = {"apiVersion": NAMESPACE.api_version, "kind": NAMESPACE.kind, "metadata": {"name": name}}
        body = lifecycle.created(NAMESPACE, raw, resources.now(), resources.uid())
        try:
            await store.write([Put(Key(NAMESPACE.resource, "", name), body, expected=0)])
        except Conflict:
            continue
