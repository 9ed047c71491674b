"""`weft stat`: who calls what, how often, how well."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from weft.cli.connection import Kubeconfig, client
from weft.cli.output import Format, as_yaml, print_lines, refusals_told, table

app = typer.Typer(add_completion=False)
_SUFFIX = ".svc.cluster.local"


@app.command()
def stat(
    ctx: typer.Context,
    output: Annotated[Format, typer.Option("--output", "-o", help="How it is printed.")] = Format.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the edges of the service graph over the last 15 seconds: requests a second, success, p99, mTLS, by version."""
    with refusals_told(), client(ctx, kubeconfig) as api:
        edges = api.get("/weft/v1/edges")["items"]
    match output:
        case Format.JSON:
            print(json.dumps(edges, indent=2))
        case Format.YAML:
            print(as_yaml(edges), end="")
        case Format.NAME:
            print_lines(f"{edge['source']}/{edge['destination']}:{edge['port']}" for edge in edges)
        case _:
            print(edge_table(edges), file=sys.stdout if edges else sys.stderr)


def edge_table(edges: Sequence[Mapping[str, Any]]) -> str:
    """The edges as people read them; the split says which part of the source's requests a version got."""
    if not edges:
        return "no traffic in the last 15 seconds"
    return table(("from", "to", "version", "split", "rps", "success", "p99", "mTLS"), [_row(edge) for edge in edges])


def _row(edge: Mapping[str, Any]) -> list[str]:
    success, p99 = edge["success"], edge["p99"]
    return [
        edge["source"],
        f"{short_name(edge['destination'])}:{edge['port']}",
        edge["version"] or "-",
        f"{edge['share']:.0%}",
        f"{edge['rps']:.1f}" if edge["rps"] else f"{edge['connections']:.1f} conn/s",
        "-" if success is None else f"{success:.1%}",
        "-" if p99 is None else f"{p99:.1f} ms",
        "yes" if edge["mtls"] else "TLS" if edge["tls"] else "NO",
    ]


def short_name(host: str) -> str:
    """A service of the mesh by its name and, where it is not `default`, its namespace."""
    return host.removesuffix(_SUFFIX).removesuffix(".default") if host.endswith(_SUFFIX) else host
