"""Which mesh a command speaks to: the one of this folder or of one above it, of `WEFT_HOME`, or the one that `--mesh` names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weft.cli.settings import settings
from weft.supervisor.control_client import ControlClient, NotRunning, RequestRefused
from weft.supervisor.home import FOLDER, Home, home, read, registry


class NoMesh(Exception):
    """There is no such mesh, or it does not run. The text says what to do."""


def mesh_home(context: object) -> Home:
    """The mesh that a command is about (`context` is typer's). Raises NoMesh."""
    named = settings(context).mesh
    return home(_named(named) if named else _here(Path.cwd()), os.environ)


def running_mesh(context: object) -> Home:
    """As `mesh_home`, of a mesh that runs."""
    found = mesh_home(context)
    if not found.running():
        raise NoMesh(f"the mesh in {found.path} does not run: start it with `weft up`")
    return found


@contextmanager
def supervisor(context: object) -> Iterator[ControlClient]:
    """The supervisor of the mesh that a command is about. A refusal becomes NoMesh, with its words."""
    found = running_mesh(context)
    try:
        with ControlClient(found.control_socket) as client:
            yield client
    except NotRunning:
        raise NoMesh(f"the mesh in {found.path} does not run: start it with `weft up`") from None
    except RequestRefused as error:
        raise NoMesh(str(error)) from None


def _here(folder: Path) -> Path:
    if os.environ.get("WEFT_HOME"):
        return Path(os.environ["WEFT_HOME"])
    for place in (folder, *folder.parents):
        if (place / FOLDER).is_dir():
            return place / FOLDER
    known = ", ".join(name for name, _ in meshes())
    hint = f"name one with `weft --mesh NAME`: {known}" if known else "start one with `weft up`, or `weft demo`"
    raise NoMesh(f"there is no mesh in {folder} or above it: {hint}")


def _named(name: str) -> Path:
    path = Path(name)
    for place in (path / FOLDER, path):
        if place.is_dir() and ((place / "mesh.json").exists() or place.name == FOLDER):
            return place
    found = [folder for mesh, folder in meshes() if mesh == name]
    if not found:
        known = ", ".join(mesh for mesh, _ in meshes()) or "none"
        raise NoMesh(f"there is no mesh {name!r}; of this user run: {known}")
    if len(found) > 1:
        raise NoMesh(f"several meshes are called {name!r}: name one by its folder: " + ", ".join(map(str, found)))
    return found[0]


def meshes() -> list[tuple[str, Path]]:
    """The names and state folders of this user's meshes that run."""
    try:
        entries = [read(path) for path in sorted(registry(os.environ).glob("*.json"))]
    except PermissionError:
        return []
    found = [(str(entry["name"]), Path(str(entry["home"]))) for entry in entries if entry.get("name") and entry.get("home")]
    return sorted((name, folder) for name, folder in found if home(folder, os.environ).running())
