"""`weft ca`: the authority of the mesh, what every proxy really serves, and how one root follows another."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.cli.connection import Kubeconfig, client
from weft.cli.output import as_yaml, refusals_told, table

app = typer.Typer(add_completion=False, no_args_is_help=True)
Json = Mapping[str, Any]


class Output(StrEnum):
    """How it is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Form = Annotated[Output, typer.Option("--output", "-o", help="How it is printed.")]


@app.callback()
def ca() -> None:
    """The certificate authority of the mesh."""


@app.command()
def status(ctx: typer.Context, output: Form = Output.TABLE, kubeconfig: Kubeconfig = None) -> None:
    """Show roots, intermediate, the rotation that goes on and whom it waits for, and what ends too soon."""
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.get("/weft/v1/ca")
    _print(found, output, _status)


@app.command()
def verify(ctx: typer.Context, output: Form = Output.TABLE, kubeconfig: Kubeconfig = None) -> None:
    """Look at the certificate that every proxy serves: «verified», or who does not serve what it should (exit code 1)."""
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.get("/weft/v1/ca/verify")
    _print(found, output, _verdict)
    if not found["verified"]:
        raise typer.Exit(1)


@app.command()
def rotate(
    ctx: typer.Context,
    root: Annotated[bool, typer.Option("--root", help="Replace the root, and the intermediate with it.")] = False,
    compromised: Annotated[
        bool, typer.Option("--compromised", help="The old key may be in other hands: nobody comes back with it.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder with ca-cert.pem, ca-key.pem, cert-chain.pem and root-cert.pem.")
    ] = None,
    step: Annotated[bool, typer.Option("--step", help="Pause in each state; `weft ca resume` goes on to the next.")] = False,
    output: Form = Output.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Replace the intermediate, or with --root the root, in states that go on only when every proxy is seen to follow."""
    body: dict[str, Any] = {"root": root, "compromised": compromised, "stepwise": step}
    if source:
        body["brought"] = {name: _text(source / file, required) for name, (file, required) in _FILES.items()}
    _change(ctx, kubeconfig, output, "rotate", body)


_FILES = {
    "certificate": ("ca-cert.pem", True),
    "key": ("ca-key.pem", True),
    "chain": ("cert-chain.pem", False),
    "root": ("root-cert.pem", False),
}


def _text(path: Path, required: bool) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        if required:
            raise
        return ""


@app.command()
def csr(ctx: typer.Context, output: Form = Output.TABLE, kubeconfig: Kubeconfig = None) -> None:
    """Print a request for an intermediate, to be signed where the root is kept. Its key stays with the control plane."""
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.request("POST", "/weft/v1/ca/csr", {})
    _print(found, output, lambda made: str(made["request"]).rstrip())


@app.command("import")
def bring_back(
    ctx: typer.Context,
    certificate: Annotated[Path, typer.Argument(help="The signed certificate, PEM; certificates above it may follow.")],
    root: Annotated[Path | None, typer.Option("--root-certificate", help="The root, where it is not the mesh's.")] = None,
    step: Annotated[bool, typer.Option("--step", help="Pause in each state; `weft ca resume` goes on to the next.")] = False,
    output: Form = Output.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Bring the answer to `weft ca csr` back: a rotation to the new intermediate begins (and to its root, where it is another
    one)."""
    body: dict[str, Any] = {"certificate": certificate.read_text(), "stepwise": step}
    with refusals_told(), client(ctx, kubeconfig) as api:
        body["root"] = root.read_text() if root else api.get("/weft/v1/ca")["bundle"]
    _change(ctx, kubeconfig, output, "import", body)


@app.command()
def pause(ctx: typer.Context, output: Form = Output.TABLE, kubeconfig: Kubeconfig = None) -> None:
    """Let a rotation stay in the state it is in."""
    _change(ctx, kubeconfig, output, "pause")


@app.command()
def resume(ctx: typer.Context, output: Form = Output.TABLE, kubeconfig: Kubeconfig = None) -> None:
    """Let a rotation that was paused go on."""
    _change(ctx, kubeconfig, output, "resume")


@app.command()
def abort(ctx: typer.Context, output: Form = Output.TABLE, kubeconfig: Kubeconfig = None) -> None:
    """Take a rotation back, as long as the old root is trusted."""
    _change(ctx, kubeconfig, output, "abort")


def _change(ctx: typer.Context, kubeconfig: Any, output: Output, verb: str, body: Json | None = None) -> None:
    with refusals_told(), client(ctx, kubeconfig) as api:
        found = api.request("POST", f"/weft/v1/ca/{verb}", body or {})
    _print(found, output, lambda made: f"rotation of the {made['kind']}: {_state(made)}; `weft ca status` shows how it goes on")


def _print(found: Json, output: Output, shown: Any) -> None:
    match output:
        case Output.JSON:
            print(json.dumps(found, indent=2))
        case Output.YAML:
            print(as_yaml(dict(found)), end="")
        case Output.TABLE:
            print(shown(found))


def _state(rotation: Json) -> str:
    return f"{rotation['state']}{' (paused)' if rotation['paused'] else ''}"


def _status(found: Json) -> str:
    rows = [("root", root) for root in found["roots"]] + [("intermediate", found["intermediate"])]
    lines = [table(("what", "subject", "key", "ends", "sha-256"), [_certificate(what, each) for what, each in rows]), ""]
    if rotation := found["rotation"]:
        lines.append(f"rotation of the {rotation['kind']}: {_state(rotation)} since {rotation['since']}")
        lines += [f"  waits for {each['name']}: {each['problem']}" for each in rotation["waitingFor"]]
    elif last := found["last"]:
        lines.append(f"no rotation goes on; the last one, of the {last['kind']}, was {last['ended']} at {last['since']}")
    else:
        lines.append("no rotation goes on")
    lines.append(f"verified: {found['proxies']['verified']} of {found['proxies']['all']}")
    for alarm in found["alarms"]:
        lines += [f"alarm: {alarm['message']}", f"  hint: {alarm['hint']}"]
    return "\n".join(lines)


def _certificate(what: str, of: Json) -> list[str]:
    return [what, of["subject"], of["keyType"], of["notAfter"], of["fingerprint"][:16]]


def _verdict(found: Json) -> str:
    items: Sequence[Json] = found["items"]
    rows = [
        [each["name"], each.get("notAfter", "-"), each.get("root", "-")[:16], each["problem"] or "verified"] for each in items
    ]
    wrong = [each["name"] for each in items if not each["verified"]]
    verdict = "verified" if not wrong else f"not verified: {', '.join(wrong)}"
    return f"{table(('name', 'certificate until', 'root', 'verdict'), rows)}\n\n{verdict}"
