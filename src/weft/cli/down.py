"""`weft down`: asks the supervisor to stop and waits until it is gone."""

import time
from typing import Annotated

import typer

from weft.cli.mesh_folder import mesh_home
from weft.supervisor.control_client import ControlClient, NotRunning
from weft.supervisor.home import read

app = typer.Typer(add_completion=False)


@app.command()
def down(
    ctx: typer.Context,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for its end; after that it is killed.")] = 60.0,
) -> None:
    """Stop the mesh in order: drain every instance, end it, then the agent and the control plane. State is kept."""
    place = mesh_home(ctx)
    if not place.running():
        print(f"the mesh in {place.path} does not run")
        return
    pid = int(read(place.mesh_file).get("pid") or 0)
    try:
        with ControlClient(place.control_socket) as client:
            client.call("stop")
    except NotRunning:
        pass  # it is ending already
    until = time.monotonic() + timeout
    while place.running():
        if time.monotonic() > until:
            _kill(pid, timeout)
        time.sleep(0.05)
    print("stopped")


def _kill(pid: int, timeout: float) -> None:
    import os
    import signal

    if not pid:
        raise typer.Exit(1)
    print(f"it did not end within {timeout:g} s and is killed")
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
