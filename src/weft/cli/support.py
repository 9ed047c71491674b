"""`weft support`: what somebody who helps needs to see, in one file, without a secret.

Everything passes through `weft.redaction`; logs of applications are theirs and stay out unless they are asked for.
"""

import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from weft import __version__
from weft.cli.api_client import ApiClient, ApiError, Unreachable
from weft.cli.connection import client
from weft.cli.mesh_folder import NoMesh, mesh_home, running_mesh, supervisor
from weft.cli.output import as_yaml, refusals_told
from weft.cli.proxy import config_dump
from weft.redaction import redacted, redacted_object
from weft.supervisor.home import Home

app = typer.Typer(add_completion=False)
_LINES = 5_000  # of each log
_PAGES = ("proxies", "edges", "audit", "calls")
File = tuple[str, str]


@app.command()
def support(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Where to; weft-support-TIME.tar.gz here, when it is left out.")] = None,
    applications: Annotated[bool, typer.Option("--apps", help="With the logs of applications, too.")] = False,
) -> None:
    """Collect resources, statuses, proxies' configurations, the audit log and logs in one file, without secrets. Look into it
    before you send it: what an application or an operator calls harmless is not known here."""
    target = file or Path(f"weft-support-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    place = mesh_home(ctx)
    missing: list[str] = []
    with refusals_told(), tarfile.open(target, "w:gz") as archive:
        target.chmod(0o600)
        for name, text in _files(ctx, place, applications, missing):
            _add(archive, name, text)
        _add(archive, "missing.txt", "".join(f"{line}\n" for line in missing))
    for line in missing:
        typer.echo(f"weft: not in it: {line}", err=True)
    print(target)


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    entry = tarfile.TarInfo(f"weft-support/{name}")
    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(data))


def _files(ctx: typer.Context, place: Home, applications: bool, missing: list[str]) -> Iterator[File]:
    yield "version.txt", f"{__version__}\n"
    with client(ctx, None) as api:
        yield from _resources(api, missing)
        for page in _PAGES:
            yield from _asked(f"{page}.json", partial(_page, api, page), missing)
    yield from _asked("instances.json", lambda: _instances(ctx), missing)
    yield from _configurations(ctx, missing)
    for path in sorted(place.logs.glob("*.log")):
        if applications or not path.name.startswith("app."):
            lines = path.read_text(errors="replace").splitlines()[-_LINES:]
            yield f"logs/{path.name}", redacted("\n".join(lines)) + "\n"


def _asked(name: str, ask: Callable[[], str], missing: list[str]) -> Iterator[File]:
    """What is not to be had is said, and the rest goes on: a mesh that needs help may be half down."""
    try:
        yield name, ask()
    except (ApiError, Unreachable, NoMesh, OSError, typer.Exit) as problem:
        missing.append(f"{name}: {problem}".splitlines()[0])


def _page(api: ApiClient, page: str) -> str:
    return _json(api.get(f"/weft/v1/{page}"))


def _configuration(socket: Path, instance: str) -> str:
    return _json(config_dump(socket, instance))


def _json(of: Any) -> str:
    return json.dumps(redacted_object(of), indent=1)


def _resources(api: ApiClient, missing: list[str]) -> Iterator[File]:
    from weft.resource.kinds import KINDS

    for kind in KINDS:
        group = f"/apis/{kind.group}/{kind.versions[0]}" if kind.group else f"/api/{kind.versions[0]}"

        def ask(path: str = f"{group}/{kind.plural}") -> str:
            return as_yaml(redacted_object(api.get(path).get("items", [])))

        yield from _asked(f"resources/{kind.resource}.yaml", ask, missing)


def _instances(ctx: typer.Context) -> str:
    with supervisor(ctx) as mesh:
        return _json(mesh.call("ps")["instances"])


def _configurations(ctx: typer.Context, missing: list[str]) -> Iterator[File]:
    try:
        socket = running_mesh(ctx).admin_socket
        with supervisor(ctx) as mesh:
            instances = [f"{one['namespace']}/{one['name']}" for one in mesh.call("ps")["instances"]]
    except (NoMesh, OSError) as problem:
        missing.append(f"configurations of proxies: {problem}".splitlines()[0])
        return
    for instance in instances:
        name = f"proxies/{instance.replace('/', '.')}.json"
        yield from _asked(name, partial(_configuration, socket, instance), missing)
