"""`weft restore`: a backup put in place of a stopped mesh's store and certificate authority."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from weft.cli.mesh_folder import mesh_home
from weft.cli.output import fail

app = typer.Typer(add_completion=False)


@app.command()
def restore(ctx: typer.Context, file: Annotated[Path, typer.Argument(help="What `weft backup` wrote.")]) -> None:
    """Put a backup in place of the store and the CA. The mesh must be stopped; what was there is kept beside it."""
    from weft.controlplane.backup import BrokenBackup, read

    place = mesh_home(ctx)
    if place.running():
        raise fail("the mesh runs", "stop it with `weft down`, then restore")
    try:
        kept = read(file, place.path)
    except BrokenBackup as problem:
        raise fail(f"nothing was restored: {problem}") from None
    except OSError as problem:
        raise fail(f"nothing was restored: {problem.filename}: {problem.strerror}") from None
    print(f"restored; what was there is in {kept}", file=sys.stderr)
