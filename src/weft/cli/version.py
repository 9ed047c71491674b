"""`weft version`: of weft, of Python, and of the Envoy it would run."""

import json
import os
import platform
from typing import Annotated, Any

import typer

from weft import __version__
from weft.cli.ps import Output

app = typer.Typer(add_completion=False)


@app.command()
def version(output: Annotated[Output, typer.Option("--output", "-o", help="How it is printed.")] = Output.TABLE) -> None:
    """Print the versions of weft, Python and Envoy; of Envoy also where it is from and its SHA-256."""
    found: dict[str, Any] = {"weft": __version__, "python": platform.python_version(), "envoy": _envoy()}
    match output:
        case Output.JSON:
            print(json.dumps(found, indent=2))
        case Output.YAML:
            import yaml

            print(yaml.safe_dump(found, sort_keys=False), end="")
        case _:
            envoy = found["envoy"]
            print(f"weft {__version__} (Python {found['python']})")
            if "problem" in envoy:
                print(f"Envoy: {envoy['problem']}")
            else:
                print(f"Envoy {envoy['version']} from {envoy['source']}\n  {envoy['path']}\n  sha256:{envoy['sha256']}")


def _envoy() -> dict[str, Any]:
    from weft.envoy import binary as envoy

    try:
        found = envoy.binary(os.environ.get("WEFT_ENVOY"))
        return {
            "version": envoy.version(found),
            "source": found.source,
            "path": str(found.path),
            "sha256": envoy.sha256(found),
        }
    except envoy.EnvoyNotFound as error:
        return {"problem": str(error)}
