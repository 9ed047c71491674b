"""`weft edit`: one resource in the operator's editor. A refused edit stays in its file."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.cli import completion
from weft.cli.api_client import ApiError
from weft.cli.connection import Kubeconfig, Namespace, client
from weft.cli.get import resource_named
from weft.cli.output import as_yaml, fail, object_name, print_findings, readable, refusals_told
from weft.finding import Severity
from weft.resource.decode import decode
from weft.resource.yaml_document import documents

Json = Mapping[str, Any]
HEAD = "# Save to apply, leave unchanged to cancel. What is refused stays in this file.\n"

app = typer.Typer(add_completion=False)


@app.command()
def command(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="virtualservice, vs, ...; or KIND/NAME.", autocompletion=completion.kinds)],
    name: Annotated[str, typer.Argument(autocompletion=completion.names)] = "",
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = None,
) -> None:
    """Edit one resource in $VISUAL or $EDITOR."""
    if "/" in kind and not name:
        kind, _, name = kind.partition("/")
    if not name:
        raise typer.BadParameter("the name is missing", param_hint="NAME")
    with refusals_told(), client(context, kubeconfig) as api:
        resource = resource_named(api, kind)
        path = resource.path((namespace or api.namespace) if resource.namespaced else "", name)
        old = api.get(path)
        file = _written(old, f"{resource.kind.lower()}-{name}-")
        before = file.read_text()
        _edit(file)
        if file.read_text() == before:
            file.unlink()
            print("unchanged")
            return
        new = _read(file)
        try:
            api.request("PUT", path, new, query={"fieldManager": "weft-edit", "fieldValidation": "Strict"})
        except ApiError as refused:
            hint = "somebody else changed it meanwhile: edit it again; " if refused.code == 409 else ""
            raise fail(str(refused), f"{hint}your text is in {file}") from None
        file.unlink()
        print(f"{object_name(old)} edited")


def _written(body: Json, prefix: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=".yaml")
    with os.fdopen(descriptor, "w") as file:
        file.write(HEAD + as_yaml(readable(body)))
    return Path(name)


def _edit(file: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
    except OSError as problem:
        raise fail(f"cannot run the editor {editor!r}: {problem.strerror}", "set EDITOR") from None
    if code:
        raise fail(f"the editor {editor!r} ended with code {code}: nothing was changed", f"your text is in {file}")


def _read(file: Path) -> Json:
    found, findings = documents(file.read_text(), str(file))
    findings += tuple(document.located(each) for document in found for each in decode(document.raw).findings)
    wrong = [each for each in findings if each.severity is Severity.ERROR and each.code != "unknown-kind"]
    if wrong or len(found) != 1:
        print_findings(wrong)
        raise fail("nothing was changed", f"your text is in {file}")
    return found[0].raw
