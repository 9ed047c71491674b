"""`weft mtls`: what is encrypted, who is not, and the way to refuse plaintext without breaking a call."""

import json
import sys
import time
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.cli.api_client import ApiClient, ApiError
from weft.cli.connection import Kubeconfig, client
from weft.cli.mesh_folder import mesh_home
from weft.cli.output import Format, as_yaml, fail, print_lines, refusals_told, table
from weft.supervisor.duration import seconds

app = typer.Typer(add_completion=False, no_args_is_help=True)
_TIGHTENING = "/weft/v1/mtls/tightening"
_POLL = 0.25
_SCOPE_HELP = "`mesh`, a NAMESPACE, or NAMESPACE/WORKLOAD (the label app)."
Scope = Annotated[str, typer.Argument(metavar="[SCOPE]", help=_SCOPE_HELP)]


@app.callback()
def mtls() -> None:
    """What is encrypted, and the way to all of it."""


@app.command()
def status(
    ctx: typer.Context,
    scope: Scope = "mesh",
    window: Annotated[str, typer.Option(help="How far back traffic is counted.")] = "1h",
    files: Annotated[
        list[Path] | None, typer.Option("--filename", "-f", help="Files of resources: modes are shown with their file and line.")
    ] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="How it is printed.")] = Format.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show what each port takes, which resource says so, and what came to it: mTLS, plaintext, and from whom."""
    with refusals_told(), client(ctx, kubeconfig) as api:
        items = api.get("/weft/v1/mtls/status", scope=scope, window=str(_seconds(window)))["items"]
    places = _places(files or [])
    items = [{**each, "by": places.get(each["by"], each["by"])} for each in items]
    match output:
        case Format.JSON:
            print(json.dumps(items, indent=2))
        case Format.YAML:
            print(as_yaml(items), end="")
        case Format.NAME:
            print_lines(f"{each['workload']}:{each['port']}" for each in items)
        case _:
            print(
                table(("workload", "port", "mode", "says", "mTLS", "plaintext", "refused", "plaintext from"), [*map(_row, items)])
            )


def _row(each: Mapping[str, Any]) -> list[str]:
    total = each["mtls"] + each["plaintext"]
    share = f" ({each['plaintext'] / total:.1%})" if total else ""
    callers = [f"{one['address']} ({_ago(one['last'])}{', refused' if one['refused'] else ''})" for one in each["callers"][:5]]
    more = len(each["callers"]) - len(callers)
    return [
        each["workload"],
        str(each["port"]),
        each["mode"],
        each["by"] or "nobody: the default",
        str(each["mtls"]),
        f"{each['plaintext']}{share}",
        str(each["refused"]),
        ", ".join(callers + ([f"{more} more"] if more else [])) or "-",
    ]


def _places(files: Sequence[Path]) -> dict[str, str]:
    """Fields of PeerAuthentications in these files, as the API names them, with their places in front."""
    from weft.resource.yaml_document import documents

    found: dict[str, str] = {}
    for path in files:
        for document in documents(path.read_text(), str(path))[0]:
            raw = document.raw if isinstance(document.raw, Mapping) else {}
            if raw.get("kind") != "PeerAuthentication":
                continue
            meta, spec = raw.get("metadata") or {}, raw.get("spec") or {}
            fields = ["spec.mtls.mode", *(f"spec.portLevelMtls.{port}.mode" for port in spec.get("portLevelMtls") or ())]
            for field in fields:
                ref = f"PeerAuthentication {meta.get('namespace') or 'default'}/{meta.get('name')} {field}"
                found[ref] = f"{path}:{document.line_of(field)}: {ref}"
    return found


def _ago(last: float) -> str:
    return f"{max(0, time.time() - last):.0f} s ago"


def _seconds(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as problem:
        raise fail(str(problem), "write 30s, 10m or 1h") from None


@app.command()
def report(
    ctx: typer.Context,
    first: Annotated[
        str, typer.Option("--from", help="The beginning: 2026-01-31, 2026-01-31T10:00:00Z, or 24h for how long ago.")
    ] = "24h",
    last: Annotated[str, typer.Option("--to", help="The end, written as the beginning.")] = "0s",
    out: Annotated[Path, typer.Option(help="The file; its signature and chain stand beside it as .sig and .pem.")] = Path(
        "mtls-report.json"
    ),
    verify: Annotated[Path | None, typer.Option(help="Check a report instead: its file.")] = None,
    root: Annotated[Path | None, typer.Option(help="The root certificates to check it with; else those of the mesh.")] = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Write a signed statement of what was and was not encrypted in a period, by whole hours; or check one."""
    if verify:
        _verify(verify, root or mesh_home(ctx).path / "ca" / "root.crt")
        return
    period = {"from": str(_moment(first)), "to": str(_moment(last))}
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.get("/weft/v1/mtls/report", **period)
    out.write_text(found["statement"])
    _beside(out, ".sig").write_bytes(b64decode(found["signature"]))
    _beside(out, ".pem").write_text(found["chain"])
    said = json.loads(found["statement"])
    totals = ", ".join(f"{count} {name}" for name, count in said["totals"].items())
    print(f"{out}: {said['from']} to {said['to']}: {totals}")
    if not said["complete"]:
        print(f"weft: the record begins at {said['recordedSince']}: what was before is not in it", file=sys.stderr)


def _verify(path: Path, root: Path) -> None:
    from cryptography import x509

    from weft.ca.authority import Untrusted
    from weft.ca.statement import Signed, check

    text = path.read_bytes()
    try:
        issued = datetime.fromisoformat(json.loads(text)["issued"])
        found = Signed(_beside(path, ".sig").read_bytes(), _beside(path, ".pem").read_bytes())
        check(text, found, x509.load_pem_x509_certificates(root.read_bytes()), issued)
    except (ValueError, KeyError, TypeError):
        raise fail(f"{path} is not a report") from None
    except Untrusted as problem:
        raise fail(f"{path} is not to be trusted: {problem}") from None
    print(f"{path}: signed by this mesh at {issued:%Y-%m-%dT%H:%M:%SZ}, and unchanged since")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _moment(text: str) -> float:
    """Unix seconds."""
    try:
        return time.time() - seconds(text)
    except ValueError:
        pass
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise fail(f"not a time: {text!r}", "write 2026-01-31, 2026-01-31T10:00:00Z, or 24h for how long ago") from None
    return (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp()


@app.command()
def tighten(
    ctx: typer.Context,
    scope: Scope = "mesh",
    window: Annotated[str, typer.Option(help="Refuse when plaintext came within this time.")] = "10m",
    watch: Annotated[str, typer.Option(help="How long failures are watched afterwards.")] = "30s",
    patience: Annotated[str, typer.Option(help="How long proxies may take to acknowledge.")] = "30s",
    keep_exceptions: Annotated[
        bool, typer.Option(help="Leave ports alone for which a nearer PeerAuthentication says otherwise.")
    ] = False,
    detach: Annotated[bool, typer.Option(help="Return as soon as it has begun.")] = False,
    abort: Annotated[bool, typer.Option(help="Have the one that goes on undone.")] = False,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Refuse plaintext (STRICT), when nobody sends any and every proxy sends mTLS; go back by itself when something fails.

    The control plane does the work: interrupting this command changes nothing, and the same command shows how far it is.
    """
    times = {"window": _seconds(window), "watch": _seconds(watch), "patience": _seconds(patience)}
    with refusals_told(), client(ctx, kubeconfig) as api:
        if abort:
            api.request("DELETE", _TIGHTENING)
        elif not _goes_on(api, scope):
            _begin(api, {"scope": scope, **times, "keepExceptions": keep_exceptions})
        if not detach:
            _follow(api)


def _goes_on(api: ApiClient, scope: str) -> bool:
    state = api.get(_TIGHTENING)
    return bool(state) and not state["over"] and state["scope"] == (scope or "mesh")


def _begin(api: ApiClient, asked: Mapping[str, Any]) -> None:
    try:
        api.request("POST", _TIGHTENING, asked)
    except ApiError as refused:
        reasons = refused.status.get("reasons")
        if refused.code != 409 or not reasons:
            raise
        raise fail("\n  ".join([f"{refused}: nothing was changed", *reasons])) from None


def _follow(api: ApiClient) -> None:
    told = ""
    while state := api.get(_TIGHTENING):
        text = _progress(state)
        if text != told:
            print(text, flush=True)
            told = text
        if state["over"]:
            if state["phase"] != "done":
                raise typer.Exit(1)
            return
        time.sleep(_POLL)
    raise fail("nothing is being tightened")


def _progress(state: Mapping[str, Any]) -> str:
    scope, waiting = state["scope"], len(state["waiting"])
    match state["phase"]:
        case "acknowledging":
            return f"{scope}: waiting for {waiting} proxies to acknowledge" if waiting else f"{scope}: every proxy acknowledged"
        case "enforcing":
            return f"{scope}: STRICT is written to PeerAuthentication {state['resource']}; failures are watched"
        case "reverting":
            return f"{scope}: going back: {state['reason']}"
        case "reverted":
            return f"{scope}: as it was before: {state['reason']}"
        case "failed":
            return f"{scope}: not tightened: {state['reason']}"
        case _:
            return f"{scope}: STRICT, and nothing failed"
