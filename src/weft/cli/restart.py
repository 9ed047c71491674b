"""`weft restart`: a rolling restart."""

from typing import Annotated

import typer

from weft.cli import completion
from weft.cli.mesh_folder import supervisor

app = typer.Typer(add_completion=False)


@app.command()
def restart(
    ctx: typer.Context,
    services: Annotated[
        list[str], typer.Argument(help="The services, as the file names them.", autocompletion=completion.services)
    ],
    timeout: Annotated[float, typer.Option(help="Seconds for each new instance to become ready.")] = 60.0,
) -> None:
    """Replace a service's instances one by one: each new one is ready before an old one is drained, so no request is lost."""
    with supervisor(ctx) as client:
        for service in services:
            client.call("restart", service=service, limit=timeout)
            print(f"{service} is restarted")
