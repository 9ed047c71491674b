"""What a path of the API asks for.

`/api/v1/...` is the core group, `/apis/GROUP/VERSION/...` every other. Below it stands `[namespaces/NS/]PLURAL[/NAME[/SUB]]`;
a namespace is itself an object at `namespaces/NS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from weft.controlplane.api.unserved import Unserved
from weft.resource.kind import Kind
from weft.store.store import Key


@dataclass(frozen=True, slots=True)
class Target:
    """A collection or an object. `namespace` is empty for kinds without one, and for a collection over all namespaces.
    `name` is empty for a collection. `subresource` is empty or `status`."""

    kind: Kind
    version: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        """Where the object stands in the store."""
        return Key(self.kind.resource, self.namespace, self.name)

    @property
    def api_version(self) -> str:
        """The `apiVersion` that this path speaks."""
        return f"{self.kind.group}/{self.version}" if self.kind.group else self.version


def target(
    group: str, version: str, rest: str, kinds: Sequence[Kind], unserved: Sequence[Unserved] = ()
) -> Target | Unserved | None:
    """What `rest`, the path below the group's version, asks for; None when there is nothing there."""
    place: tuple[str, str, str, str]
    match rest.strip("/").split("/"):
        case ["namespaces", name, "status"]:
            place = ("", "namespaces", name, "status")
        case ["namespaces", namespace, plural, *more] if len(more) <= 2:
            place = (namespace, plural, *_two(more))
        case [plural, *more] if plural and len(more) <= 2:
            place = ("", plural, *_two(more))
        case _:
            return None
    return _found(group, version, place, kinds, unserved)


def _two(more: Sequence[str]) -> tuple[str, str]:
    return (more[0] if more else "", more[1] if len(more) > 1 else "")


def _found(
    group: str, version: str, place: tuple[str, str, str, str], kinds: Sequence[Kind], unserved: Sequence[Unserved]
) -> Target | Unserved | None:
    namespace, plural, name, subresource = place
    for absent in unserved:
        if (absent.group, absent.version, absent.plural) == (group, version, plural):
            return absent
    for kind in kinds:
        if (kind.group, kind.plural) == (group, plural) and version in kind.versions:
            misplaced = bool(namespace) != kind.namespaced and bool(namespace or name)
            if misplaced or subresource not in ("", "status"):
                return None
            return Target(kind, version, namespace, name, subresource)
    return None
