"""`weft schema`: the JSON schema of weft.yaml."""

import json

import typer

from weft.supervisor.compose_schema import FILE

app = typer.Typer(add_completion=False)


@app.command()
def schema() -> None:
    """Print the JSON schema of weft.yaml. In an editor: `# yaml-language-server: $schema=weft.schema.json`."""
    print(json.dumps(FILE, indent=2))
