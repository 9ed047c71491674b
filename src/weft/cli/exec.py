"""`weft exec`: becomes a command that runs as a workload, so that its exit code and its signals are the command's own."""

import os
import sys
from typing import Annotated

import typer

from weft.cli import completion
from weft.cli.mesh_folder import supervisor

app = typer.Typer(add_completion=False)


@app.command(context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})
def exec_(
    ctx: typer.Context,
    service: Annotated[str, typer.Argument(help="A service or an instance.", autocompletion=completion.services)],
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after `--`.")],
) -> None:
    """Run a command as a workload: with its environment and folder, through its sidecar, under its identity."""
    words = command[1:] if command[0] == "--" else command
    with supervisor(ctx) as client:
        found = client.call("env", service=service)
    environment = dict(found["env"])
    for name in ("TERM", "COLUMNS", "LINES"):
        if name in os.environ:
            environment[name] = os.environ[name]
    if words[0] == "weft":
        from weft.supervisor.config import WEFT

        words = [*WEFT, *words[1:]]
    os.chdir(found["cwd"])
    sys.stdout.flush()
    try:
        os.execvpe(words[0], words, environment)
    except FileNotFoundError:
        print(f"weft: there is no command {words[0]}", file=sys.stderr)
        sys.exit(127)
    except OSError as error:
        print(f"weft: {words[0]} cannot be started: {error.strerror}", file=sys.stderr)
        sys.exit(126)
