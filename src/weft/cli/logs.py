"""`weft logs`: what the processes of a mesh wrote. The files are read where they are, so that it works for a stopped mesh too."""

import time
from pathlib import Path
from typing import Annotated

import typer

from weft.cli import completion
from weft.cli.mesh_folder import NoMesh, mesh_home
from weft.hostname import closest
from weft.supervisor.home import Home
from weft.supervisor.logs import Tail, last_lines

app = typer.Typer(add_completion=False)
_OURS = ("control-plane", "agent", "supervisor", "apply")


@app.command()
def logs(
    ctx: typer.Context,
    service: Annotated[
        str,
        typer.Argument(
            help="A service, an instance, control-plane, agent or supervisor.", autocompletion=completion.services
        ),
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing.")] = False,
    tail: Annotated[int, typer.Option(help="How many of the last lines; -1: all.")] = -1,
    envoy: Annotated[bool, typer.Option("--envoy", help="What its sidecars wrote instead.")] = False,
) -> None:
    """Print what a service wrote, each line with the name of its instance when there are several."""
    place = mesh_home(ctx)
    files = _files(place, service, "envoy" if envoy else "app")
    named = len(files) > 1
    for name, path in files.items():
        for line in last_lines(path, tail if tail >= 0 else 10**9):
            print(f"{name} | {line}" if named else line)
    if follow:
        _follow(place, service, "envoy" if envoy else "app", {name: Tail(path) for name, path in files.items()})


def _files(place: Home, service: str, kind: str) -> dict[str, Path]:
    """The logs that `service` may mean, by instance."""
    if service in _OURS:
        return {service: place.log(service)}
    known = {path.name[: -len(".log")].split(".", 2)[2]: path for path in sorted(place.logs.glob(f"{kind}.*.*.log"))}
    if service in known:
        return {service: known[service]}
    wanted = service.rpartition("/")[2]
    of = {name: path for name, path in known.items() if name.rpartition("-")[0] == wanted or name == wanted}
    if of:
        return of
    versions = {name: path for name, path in known.items() if name.startswith(f"{wanted}-")}
    if versions:
        return versions
    services = {name.rpartition("-")[0] for name in known}
    near = closest(wanted, services, 1)
    hint = f"did you mean {near[0]}?" if near else "there are those of " + ", ".join([*sorted(services), *_OURS])
    raise NoMesh(f"there is no log of {service}\n  hint: {hint}")


def _follow(place: Home, service: str, kind: str, tails: dict[str, Tail]) -> None:
    try:
        while True:
            for name, path in _files(place, service, kind).items():
                if name not in tails:
                    tails[name] = Tail(path, from_end=False)
            for name, tail in tails.items():
                for line in tail.lines():
                    print(f"{name} | {line}" if len(tails) > 1 else line, flush=True)
            time.sleep(0.2)
    except KeyboardInterrupt:
        return
