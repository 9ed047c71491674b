"""`weft ls`: the meshes of this user."""

import json
import sys
from typing import Annotated

import typer

from weft.cli.mesh_folder import meshes
from weft.cli.output import print_lines
from weft.cli.ps import Output, table
from weft.supervisor.home import read

app = typer.Typer(add_completion=False)


@app.command()
def ls(output: Annotated[Output, typer.Option("--output", "-o", help="How it is printed.")] = Output.TABLE) -> None:
    """List the meshes of this user that run on this machine."""
    found = [
        {"name": name, "pid": said.get("pid", 0), "instances": len(said.get("instances", ())), "file": said.get("file", "")}
        for name, home in meshes()
        for said in (read(home / "mesh.json"),)
    ]
    match output:
        case Output.JSON:
            print(json.dumps(found, indent=2))
        case Output.YAML:
            import yaml

            print(yaml.safe_dump(found, sort_keys=False), end="")
        case Output.NAME:
            print_lines(str(each["name"]) for each in found)
        case _ if found:
            head = ("NAME", "PID", "INSTANCES", "FILE")
            print(table(_rows(head, found)))
        case _:
            print("no mesh runs", file=sys.stderr)


def _rows(head: tuple[str, ...], found: list[dict[str, object]]) -> list[tuple[str, ...]]:
    return [head, *(tuple(str(each[name.lower()]) for name in head) for each in found)]
