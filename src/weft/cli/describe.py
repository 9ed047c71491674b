"""`weft describe`: one resource in full, and what weft says about it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from weft.cli import completion
from weft.cli.connection import Kubeconfig, Namespace, client
from weft.cli.get import resource_named
from weft.cli.output import as_yaml, refusals_told

Json = Mapping[str, Any]
HIDDEN = ("kubectl.kubernetes.io/last-applied-configuration",)

app = typer.Typer(add_completion=False)


@app.command()
def command(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="virtualservice, vs, ...; or KIND/NAME.", autocompletion=completion.kinds)],
    name: Annotated[str, typer.Argument(autocompletion=completion.names)] = "",
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show one resource in full, with what weft found in it."""
    if "/" in kind and not name:
        kind, _, name = kind.partition("/")
    if not name:
        raise typer.BadParameter("the name is missing", param_hint="NAME")
    with refusals_told(), client(context, kubeconfig) as api:
        resource = resource_named(api, kind)
        within = (namespace or api.namespace) if resource.namespaced else ""
        print(described(api.get(resource.path(within, name))))


def described(body: Json) -> str:
    """The text."""
    meta = body["metadata"]
    lines = [
        ("Name", meta["name"]),
        ("Namespace", meta.get("namespace", "")),
        ("Kind", f"{body.get('apiVersion')} {body.get('kind')}"),
        ("Labels", _pairs(meta.get("labels"))),
        ("Annotations", _pairs({k: v for k, v in (meta.get("annotations") or {}).items() if k not in HIDDEN})),
        ("Created", meta.get("creationTimestamp", "")),
        ("Generation", str(meta.get("generation", ""))),
    ]
    head = [f"{title + ':':<13}{text}" for title, text in lines if text]
    return "\n".join([*head, *_content(body), *_conditions(body), *_messages(body)])


def _pairs(pairs: Json | None) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted((pairs or {}).items()))


def _content(body: Json) -> Iterator[str]:
    for name, value in body.items():
        if name not in ("apiVersion", "kind", "metadata", "status"):
            yield f"{name.capitalize()}:"
            yield from ("  " + line for line in as_yaml(value).splitlines())


def _conditions(body: Json) -> Iterator[str]:
    conditions = (body.get("status") or {}).get("conditions") or ()
    if conditions:
        yield "Conditions:"
    for each in conditions:
        said = ": ".join(part for part in (each.get("reason", ""), each.get("message", "")) if part)
        yield f"  {each.get('type')}={each.get('status')}" + (f" ({said})" if said else "")


def _messages(body: Json) -> Iterator[str]:
    """What the analysis wrote to the status (istio.analysis.v1alpha1)."""
    messages = (body.get("status") or {}).get("validationMessages") or ()
    yield "Findings:" if messages else "Findings:    none"
    for each in messages:
        yield f"  {str(each.get('level', '')).lower()} {(each.get('type') or {}).get('name', '')}: {each.get('message', '')}"
        yield from (
            f"    {'hint: ' if not number else ''}{line}" for number, line in enumerate(str(each.get("hint", "")).splitlines())
        )
