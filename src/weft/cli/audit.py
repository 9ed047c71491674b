"""`weft audit`: who changed what, and what it was before."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from weft.cli.connection import Kubeconfig, client
from weft.cli.output import Format, as_yaml, print_lines, refusals_told, table

app = typer.Typer(add_completion=False)
_HEAD = ("time", "user", "role", "did", "object", "answer")


@app.command()
def audit(
    ctx: typer.Context,
    since: Annotated[str, typer.Option(help="How far back: 90s, 15m, 24h.")] = "24h",
    user: Annotated[str, typer.Option(help="Of this user only.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many entries, the newest.", min=1, max=10_000)] = 1000,
    output: Annotated[Format, typer.Option("--output", "-o", help="How it is printed; wide: with every field.")] = Format.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List changes and refusals: who, when, what, and from what to what. Secrets are never in it."""
    from weft.cli.times import seconds

    begin = datetime.now(UTC) - timedelta(seconds=seconds(since))
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.get("/weft/v1/audit", since=begin.strftime("%Y-%m-%dT%H:%M:%S"), limit=str(limit))["items"]
    found = [one for one in found if user in ("", one["user"])]
    match output:
        case Format.JSON:
            print(json.dumps(found, indent=2))
        case Format.YAML:
            print(as_yaml(found), end="")
        case Format.NAME:
            print_lines(f"{of['resource']}/{of['name']}" for one in found for of in one["changes"])
        case _:
            print(table(_HEAD, [row for one in found for row in _rows(one, wide=output is Format.WIDE)]))


def _rows(of: Mapping[str, Any], *, wide: bool) -> list[list[str]]:
    who = [of["time"].partition(".")[0], of["user"] or "-", of["role"] or "-"]
    if not of["changes"]:
        return [[*who, of["method"], of["path"], str(of["status"])]]
    rows = []
    for change in of["changes"]:
        place = f"{change['namespace']}/{change['name']}" if change["namespace"] else change["name"]
        rows.append([*who, change["outcome"], f"{change['resource'].partition('.')[0]} {place}", str(of["status"])])
        rows += [["", "", "", "", f"  {_line(field)}", ""] for field in change["diff"]] if wide else []
    return rows


def _line(of: Mapping[str, Any]) -> str:
    if "more" in of:
        return f"and {of['more']} fields more"
    sides = " -> ".join(str(of[side]) for side in ("from", "to") if side in of)
    return f"{of['path']}: {'+ ' if 'from' not in of else '- ' if 'to' not in of else ''}{sides}"
