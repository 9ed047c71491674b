"""`weft agent`: the agent of a node."""

import os
from pathlib import Path
from typing import Annotated

import typer

from weft.cli.output import fail
from weft.cli.server_log import log_to_stderr
from weft.cli.settings import settings

app = typer.Typer(add_completion=False)


@app.command()
def agent(
    ctx: typer.Context,
    config: Annotated[Path, typer.Option(help="A JSON file, as `weft up` writes it.", exists=True, dir_okay=False)],
) -> None:
    """Run the agent of a node: it runs the Envoys of the node's workloads and holds their keys."""
    from weft.cli.serving import prepare, until_stopped

    prepare()
    os.umask(0o077)  # sockets and keys of this process are its user's alone; it has no children that would inherit it
    from weft.agent.config import read
    from weft.agent.main import run
    from weft.envoy.binary import EnvoyNotFound

    read_config = read(config)
    log_to_stderr("json" if read_config.log_format == "json" else settings(ctx).log_format.value)
    try:
        until_stopped(run(read_config))
    except EnvoyNotFound as problem:
        raise fail(str(problem)) from None
