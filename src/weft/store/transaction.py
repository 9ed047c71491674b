"""What a sequence of writes would do, without doing it. Both stores decide here, so that they cannot disagree.

Kubernetes' rules: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from collections.abc import Callable, Sequence

from weft.store.store import Conflict, Delete, Event, EventType, Json, Key, Put, Stored

Current = Callable[[Key], Stored | None]


def events(writes: Sequence[Put | Delete], current: Current, revision: int) -> tuple[Event, ...]:
    """What `writes` change, in order, one revision each, after `revision`. A later write sees the earlier ones.

    Raises Conflict or KeyError as `Store.write` does; then none of it happens.
    """
    changed: dict[Key, Stored | None] = {}
    done: list[Event] = []
    for number, write in enumerate(writes, revision + 1):
        old = changed[write.key] if write.key in changed else current(write.key)
        event = _event(write, old, number)
        changed[write.key] = None if event.type is EventType.DELETED else event.object
        done.append(event)
    return tuple(done)


def _event(write: Put | Delete, old: Stored | None, revision: int) -> Event:
    actual = old.revision if old else 0
    if write.expected is not None and (write.expected != actual or (isinstance(write, Delete) and not old)):
        raise Conflict(write.key, actual)
    match write, old:
        case Put(key, body), None:
            return Event(EventType.ADDED, Stored(key, versioned(body, revision), revision))
        case Put(key, body), old:
            return Event(EventType.MODIFIED, Stored(key, versioned(body, revision), revision), old)
        case Delete(key), None:
            raise KeyError(key)
        case Delete(key), Stored() as old:
            return Event(EventType.DELETED, Stored(key, versioned(old.body, revision), revision), old)
    raise AssertionError(write)


def versioned(body: Json, revision: int) -> Json:
    """`body` with its `metadata.resourceVersion`; the original is left as it is."""
    return {**body, "metadata": {**body.get("metadata", {}), "resourceVersion": str(revision)}}
