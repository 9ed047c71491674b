"""`weft scale`: more or fewer instances."""

from typing import Annotated

import typer

from weft.cli.mesh_folder import NoMesh, supervisor

app = typer.Typer(add_completion=False)


@app.command()
def scale(
    ctx: typer.Context,
    services: Annotated[list[str], typer.Argument(help="SERVICE=N, one or several.", metavar="SERVICE=N...")],
    wait: Annotated[bool, typer.Option(help="Return when the new instances are ready.")] = True,
    timeout: Annotated[float, typer.Option(help="Seconds to wait.")] = 60.0,
) -> None:
    """Change how many instances a service has: new ones get ports, an Envoy and an identity; surplus ones are drained."""
    wanted = [_parsed(text) for text in services]
    with supervisor(ctx) as client:
        for service, replicas in wanted:
            client.call("scale", service=service, replicas=replicas)
        for service, replicas in wanted:
            if wait and not _is_ready(client.call("wait", service=service, limit=timeout)):
                raise typer.Exit(1)
            print(f"{service} has {replicas} instance{'' if replicas == 1 else 's'}")


def _is_ready(found: dict[str, object]) -> bool:
    failed = found["failed"]
    for each in failed if isinstance(failed, list) else ():
        print(f"weft: {each['instance']} is not ready: {each['reason']}")
        for line in each["log"]:
            print(f"       {line}")
    return bool(found["ready"])


def _parsed(text: str) -> tuple[str, int]:
    service, equals, replicas = text.partition("=")
    if not equals or not replicas.isdigit():
        raise NoMesh(f"{text!r} is not SERVICE=N: reviews-v1=3 is")
    return service, int(replicas)
