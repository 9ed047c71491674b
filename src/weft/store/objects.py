"""The objects of a store as they are now, in memory, found by key and by resource."""

from collections.abc import Iterable

from weft.store.store import Event, EventType, Key, Stored


class Objects:
    """Current state, grouped by resource. Only `apply` changes it."""

    def __init__(self, objects: Iterable[Stored] = ()) -> None:
        self._of: dict[str, dict[Key, Stored]] = {}
        for stored in objects:
            self._put(stored)

    def get(self, key: Key) -> Stored | None:
        """The object at `key`, or None."""
        return self._of.get(key.resource, {}).get(key)

    def sorted(self, resource: str | None, namespace: str | None) -> tuple[Stored, ...]:
        """Objects by key; None means all."""
        of = self._of.values() if resource is None else [self._of.get(resource, {})]
        found = [stored for group in of for stored in group.values() if namespace is None or stored.key.namespace == namespace]
        return tuple(sorted(found, key=lambda stored: stored.key))

    def apply(self, event: Event) -> None:
        """Makes `event` part of the state."""
        if event.type is EventType.DELETED:
            del self._of[event.object.key.resource][event.object.key]
        else:
            self._put(event.object)

    def _put(self, stored: Stored) -> None:
        self._of.setdefault(stored.key.resource, {})[stored.key] = stored
