"""`weft proxies`: every Envoy of the mesh, and whether it holds what it should."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from weft.cli.connection import Kubeconfig, client
from weft.cli.output import Format, as_yaml, print_lines, refusals_told, table

app = typer.Typer(add_completion=False)


@app.command()
def proxies(
    ctx: typer.Context,
    output: Annotated[Format, typer.Option("--output", "-o", help="How it is printed.")] = Format.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List proxies: sync state, what they hold, Envoy's version and the certificate's end."""
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.get("/weft/v1/proxies")["items"]
    match output:
        case Format.JSON:
            print(json.dumps(found, indent=2))
        case Format.YAML:
            print(as_yaml(found), end="")
        case Format.NAME:
            print_lines(each["proxy"] for each in found)
        case _:
            print(table(_HEAD, [_row(each) for each in found]))
            for each in found:
                for rejection in each["rejections"]:
                    print(f"\n{each['proxy']} refused {rejection['resource']}: {rejection['message']}")
                    print("  made from: " + (", ".join(rejection["origins"]) or "weft's own settings"))


_HEAD = ("proxy", "service", "ports", "sync", "listeners", "clusters", "hosts", "health", "envoy", "certificate until")


def _row(each: Mapping[str, Any]) -> list[str]:
    holds, end = each["holds"], each["certificateNotAfter"]
    return [
        each["proxy"],
        f"{each['service']} {each['version']}".strip() or "-",
        _ports(each["ports"]),
        each["sync"],
        str(holds.get("Listener", 0)),
        str(holds.get("Cluster", 0)),
        str(holds.get("VirtualHost", holds.get("RouteConfiguration", 0))),
        each["health"],
        each["envoy"] or "-",
        datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if end else "-",
    ]


def _ports(ports: Mapping[str, Mapping[str, Any]]) -> str:
    """`9080 http`; a question mark follows what the application was asked."""
    return ",".join(f"{number} {port['protocol']}{'?' if port['asked'] else ''}" for number, port in ports.items()) or "-"
