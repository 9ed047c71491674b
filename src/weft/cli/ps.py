"""`weft ps`: the instances of a mesh."""

import json
import time
from enum import StrEnum
from typing import Annotated, Any

import typer

from weft.cli.mesh_folder import supervisor
from weft.cli.output import print_lines

app = typer.Typer(add_completion=False)


class Output(StrEnum):
    """How it is printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@app.command()
def ps(
    ctx: typer.Context,
    output: Annotated[Output, typer.Option("--output", "-o", help="How it is printed.")] = Output.TABLE,
) -> None:
    """List the instances of the mesh: state, readiness, restarts, ports and process."""
    with supervisor(ctx) as client:
        instances = client.call("ps")["instances"]
    match output:
        case Output.JSON:
            print(json.dumps(instances, indent=2))
        case Output.YAML:
            import yaml

            print(yaml.safe_dump(instances, sort_keys=False), end="")
        case Output.NAME:
            print_lines(f"{each['namespace']}/{each['name']}" for each in instances)
        case _:
            more = _WIDE if output is Output.WIDE else _TROUBLED if any(each["reason"] for each in instances) else ()
            print(table([_HEAD + more, *(_row(each, more) for each in instances)]))


_HEAD = ("NAMESPACE", "NAME", "SERVICE", "STATE", "READY", "RESTARTS", "AGE", "PORTS", "PID")
_TROUBLED = ("REASON",)
_WIDE = ("SIDECAR", "PROXY", "ACCOUNT", *_TROUBLED)


def _row(each: dict[str, Any], more: tuple[str, ...]) -> tuple[str, ...]:
    service = each["meshService"] + (f" {each['version']}" if each["version"] else "")
    row = (
        each["namespace"],
        each["name"],
        service,
        each["state"],
        "yes" if each["ready"] else "no",
        str(each["restarts"]),
        _age(each["started"]),
        _ports(each),
        str(each["pid"] or "-"),
    )
    wide = (str(each["sidecarPid"] or "-"), str(each["httpProxy"] or "-"), each["serviceAccount"], each["reason"] or "-")
    return (*row, *wide[len(wide) - len(more) :])


def _ports(each: dict[str, Any]) -> str:
    """`9080->15103` for a service's port and the application's, with what it speaks where it was asked; `80->8080` for a
    gateway's."""
    ports = [f"{port['port']}->{port['application']}{_asked(port)}" for port in each["ports"]]
    for port, bound in each["gatewayPorts"].items():
        ports.append(port if port.removesuffix("/udp") == str(bound) else f"{port}->{bound}")
    return ",".join(ports) or "-"


def _asked(port: dict[str, Any]) -> str:
    return f" ({port['protocol']}, asked)" if port["asked"] else ""


def _age(started: float | None) -> str:
    if started is None:
        return "-"
    lived = max(0, int(time.time() - started))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if lived >= 2 * length:
            return f"{lived // length}{unit}"
    return f"{lived}s"


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as columns that line up, three spaces apart, as kubectl prints them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
