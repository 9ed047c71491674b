"""`weft init`: a weft.yaml to begin with, or one made of a compose.yaml, with a list of what could not be taken over."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from weft.cli.conversion import converted
from weft.cli.output import fail

app = typer.Typer(add_completion=False)

_FIRST = """\
# A mesh on this machine: `weft up` runs it. https://github.com/compose-spec/compose-spec/blob/main/spec.md
# yaml-language-server: $schema=weft.schema.json     (`weft schema > weft.schema.json` writes it)
services:
  web:
    command: weft echo                # runs without a shell; listens on $HOST:$PORT
    x-weft: {ports: [{name: http, port: 8080}]}
  ingress:                            # an Envoy without an application, for Gateways
    x-weft: {gateway: true, labels: {istio: ingressgateway}}
x-weft:
  trustDomain: cluster.local
  resources: []                       # YAML files and folders to apply
"""


@app.command()
def init(
    compose: Annotated[Path | None, typer.Argument(help="A compose.yaml to convert; without it, a file to begin with.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("weft.yaml"),
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
) -> None:
    """Write a weft.yaml. From a compose.yaml, what means nothing for processes is left out and listed."""
    text, dropped = (_FIRST, []) if compose is None else _converted(compose)
    if output.exists() and not force:
        raise fail(f"{output} is there already", "--force writes over it")
    output.write_text(text)
    print(f"{output} is written")
    if dropped:
        print("left out:")
        for line in dropped:
            print(f"  {line}")


def _converted(compose: Path) -> tuple[str, list[str]]:
    try:
        found, dropped = converted(compose.read_text())
    except OSError as error:
        raise fail(f"cannot read {compose}: {error.strerror}") from None
    except ValueError as error:
        raise fail(f"{compose} cannot be converted: {error}") from None
    head = f"# Made of {compose.name} by `weft init`. Applications must listen on $HOST:$PORT.\n"
    return head + yaml.safe_dump(found, sort_keys=False, default_flow_style=None, width=120), dropped
