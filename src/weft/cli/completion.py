"""What the shell offers for a word that is being typed: kinds, names of resources, services of the mesh.

Whoever cannot be asked offers nothing: completion must never print a mistake into a command line.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from weft.cli.mesh_folder import mesh_home, supervisor
from weft.cli.settings import Settings
from weft.resource.kinds import KINDS

Complete = Callable[[Any, str], list[str]]
_PATIENCE = 2.0


def kinds(ctx: Any, incomplete: str) -> list[str]:
    """Kinds, as people write them; after `KIND/`, the names of that kind."""
    if "/" in incomplete:
        kind = incomplete.partition("/")[0]
        return _beginning((f"{kind}/{name}" for name in _names(ctx, kind)), incomplete)
    return _beginning((kind.singular for kind in KINDS), incomplete)


def names(ctx: Any, incomplete: str) -> list[str]:
    """The names of the resources of the kind that stands before."""
    kind = str(ctx.params.get("kind") or ctx.params.get("kinds") or "")
    return _beginning(_names(ctx, kind), incomplete) if kind and "/" not in kind else []


def services(ctx: Any, incomplete: str) -> list[str]:
    """The services and instances of the mesh."""
    found: list[str] = []
    with _quiet(), supervisor(_settled(ctx)) as client:
        instances = client.call("ps")["instances"]
        found = [name for each in instances for name in (each["service"], each["name"])]
    return _beginning(found, incomplete)


def _names(context: Any, kind: str) -> list[str]:
    from weft.cli.access import access
    from weft.cli.api_client import ApiClient

    found: list[str] = []
    with _quiet():
        place = context.params.get("kubeconfig") or mesh_home(_settled(context)).kubeconfig
        with ApiClient(access(place), _PATIENCE) as api:
            if resource := api.resource(kind):
                namespace = (context.params.get("namespace") or api.namespace) if resource.namespaced else ""
                items = api.get(resource.path(namespace)).get("items", ())
                found = [str(item["metadata"]["name"]) for item in items]
    return found


def _beginning(words: Iterable[str], incomplete: str) -> list[str]:
    return sorted({word for word in words if word.startswith(incomplete)})


def _settled(context: Any) -> Any:
    """The context with the settings before the command, which nobody has read while a word is completed."""
    root = context.find_root()
    if root.obj is None:
        root.obj = Settings(mesh=str(root.params.get("mesh") or ""))
    context.obj = root.obj
    return context


@contextmanager
def _quiet() -> Iterator[None]:
    try:
        yield
    except Exception:  # whatever it is: the next press of return says it
        return
