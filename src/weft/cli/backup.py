"""`weft backup`: the store and the certificate authority in one file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from weft.cli.mesh_folder import mesh_home
from weft.cli.output import fail

app = typer.Typer(add_completion=False)


@app.command()
def backup(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Where to; weft-backup-TIME.tar here, when it is left out.")] = None,
) -> None:
    """Copy the store and the CA to one file, also while the mesh runs. It holds private keys: only you can read it."""
    from weft.controlplane.backup import write

    place = mesh_home(ctx)
    target = file or Path(f"weft-backup-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar")
    try:
        write(place.path, target)
    except FileNotFoundError as missing:
        raise fail(f"there is nothing to back up: {missing}") from None
    print(target)
