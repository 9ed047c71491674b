"""`weft policy`: authorization policies judged against the calls that are really made."""

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from weft.cli.connection import Kubeconfig, Namespace, client
from weft.cli.manifests import Unreadable, read
from weft.cli.output import as_yaml, fail, print_findings, refusals_told, table
from weft.cli.times import seconds

app = typer.Typer(add_completion=False, no_args_is_help=True)
Json = Mapping[str, Any]


class Output(StrEnum):
    """Forms in which it is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Form = Annotated[Output, typer.Option("--output", "-o", help="How it is printed.")]
Window = Annotated[str, typer.Option("--within", help="Only calls of the last 1h, 90s, ...; else all that is recorded (7 days).")]
Scope = Annotated[str, typer.Argument(metavar="[SCOPE]", help="NAMESPACE or NAMESPACE/WORKLOAD; else the whole mesh.")]


@app.callback()
def policy() -> None:
    """Judge authorization policies against the calls that are really made."""


@app.command()
def calls(
    ctx: typer.Context,
    scope: Scope = "",
    within: Window = "",
    plaintext: Annotated[bool, typer.Option(help="Only callers without mTLS.")] = False,
    denied: Annotated[bool, typer.Option(help="Only what was denied.")] = False,
    output: Form = Output.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List who calls what: caller, workload and port, method, path, how often, when last."""
    asked = _query(scope, within) | ({"transport": "plaintext"} if plaintext else {})
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.get("/weft/v1/calls", **asked)["items"]
    found = [one for one in found if one["deniedBy"]] if denied else found
    if not _print(found, output):
        titles = ("from", "to", "call", "count", "last", "denied by")
        print(table(titles, [_row(one) for one in found]) if found else "no calls are recorded", file=_stream(found))


@app.command()
def suggest(
    ctx: typer.Context,
    scope: Scope = "",
    within: Window = "",
    default_deny: Annotated[bool, typer.Option(help="And deny everything else in those namespaces.")] = False,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print the least that policies must allow, so that every recorded call passes: YAML for `weft apply -f -`."""
    asked = _query(scope, within) | ({"defaultDeny": "true"} if default_deny else {})
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.get("/weft/v1/policies/suggestion", **asked)
    for note in found["notes"]:
        print(f"weft: {note}", file=sys.stderr)
    if not found["items"]:
        raise fail("no calls are recorded there", "let its callers run for a while; `weft policy calls` shows the record")
    print("---\n".join(as_yaml(one) for one in found["items"]), end="")


@app.command()
def test(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Option("--filename", "-f", help="A file, a folder, or - for standard input; repeatable.")],
    replace: Annotated[bool, typer.Option(help="As if no other policies were in their namespaces.")] = False,
    within: Window = "",
    namespace: Namespace = "",
    output: Form = Output.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the recorded calls that these policies would deny or newly let pass. Exit code 1: they would deny some."""
    try:
        documents, findings = read(files)
    except Unreadable as problem:
        raise fail(str(problem)) from None
    if findings:
        print_findings(findings)
        raise typer.Exit(1)
    with refusals_told(), client(ctx, kubeconfig) as api:
        here = namespace or api.namespace
        objects = [_placed(document.raw, here) for document in documents]
        asked = {"objects": objects, "replace": replace, "within": seconds(within) or None}
        found = api.request("POST", "/weft/v1/policies/test", asked)
    for wrong in found["findings"]:
        print(wrong, file=sys.stderr)
    if not _print(found, output):
        print(differences(found))
    if found["findings"] or any(one["effect"] == "denied" for one in found["differences"]):
        raise typer.Exit(1)


@app.command()
def shadow(
    ctx: typer.Context,
    scope: Scope = "",
    within: Window = "",
    output: Form = Output.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the calls that policies on trial (annotation istio.io/dry-run) would have denied, as the proxies saw them."""
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.get("/weft/v1/policies/shadow", **_query(scope, within))
    if _print(found, output):
        return
    rows = [[*_row(one["call"])[:5], one["rule"], one["inForce"]] for one in found["items"]]
    if rows:
        print(table(("from", "to", "call", "count", "last", "would be denied by", "all in force"), rows))
    trials = ", ".join(found["onTrial"]) or "none: annotate a policy with istio.io/dry-run=true"
    print(f"on trial: {trials}; {len(rows)} of {found['calls']} kinds of calls would have been denied")


@app.command()
def alarms(ctx: typer.Context, output: Form = Output.TABLE, kubeconfig: Kubeconfig = None) -> None:
    """List calls that passed although policies deny them, and proxies that may lack the newest. Exit code 1: there are some."""
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.get("/weft/v1/policies/alarms")["items"]
    if not _print(found, output):
        for one in found:
            print(f"{one['kind']}: {one['message']}")
        if not found:
            print("no alarm: what is recorded is what the policies allow", file=sys.stderr)
    if found:
        raise typer.Exit(1)


def _placed(raw: Json, namespace: str) -> Json:
    meta = raw.get("metadata") or {}
    return {**raw, "metadata": {**meta, "namespace": meta.get("namespace") or namespace}}


def differences(found: Json) -> str:
    """What would be decided otherwise, as people read it."""
    told = found["differences"]
    summary = f"{found['calls']} kinds of calls recorded"
    if not told:
        return f"{summary}: each is decided as now"
    rows = [[one["effect"], *_row(one["call"])[:5], one["rule"]] for one in told]
    return table(("effect", "from", "to", "call", "count", "last", "by"), rows) + f"\n{summary}, {len(told)} decided otherwise"


def _row(call: Json) -> list[str]:
    there = call["destination"]
    asked = f"{call['method']} {call['host']} {call['path']}" if call["method"] else "TCP"
    to = f"{there['namespace']}/{there['workload']}:{there['port']}"
    return [caller(call), to, asked, str(call["count"]), call["lastSeen"], call["deniedBy"] or "-"]


def caller(call: Json) -> str:
    """Who called, for people."""
    source = call["source"]
    return str(source["identity"] or f"{source['address']} ({source['transport']})")


def _query(scope: str, within: str) -> dict[str, str]:
    namespace, _, workload = scope.partition("/")
    asked = {"namespace": namespace, "workload": workload, "within": str(seconds(within) or "")}
    return {name: value for name, value in asked.items() if value}


def _print(found: Any, output: Output) -> bool:
    match output:
        case Output.JSON:
            print(json.dumps(found, indent=2))
        case Output.YAML:
            print(as_yaml(found), end="")
        case _:
            return False
    return True


def _stream(found: Sequence[Any]) -> Any:
    return sys.stdout if found else sys.stderr
