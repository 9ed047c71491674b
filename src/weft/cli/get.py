"""`weft get`: resources as a table, or whole."""

import sys
from typing import Annotated

import typer

from weft.cli import completion
from weft.cli.api_client import TABLE, ApiClient, ApiResource
from weft.cli.connection import Kubeconfig, Namespace, client
from weft.cli.output import Format, fail, print_objects, refusals_told, server_table
from weft.resource.kinds import KINDS
from weft.resource.wording import close_name

app = typer.Typer(add_completion=False)


@app.command()
def command(
    context: typer.Context,
    kinds: Annotated[
        str,
        typer.Argument(
            metavar="KIND[,KIND...]",
            help="virtualservice, vs, virtualservices, ...; or KIND/NAME.",
            autocompletion=completion.kinds,
        ),
    ],
    name: Annotated[str, typer.Argument(help="Only this one.", autocompletion=completion.names)] = "",
    namespace: Namespace = "",
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Those of every namespace.")] = False,
    selector: Annotated[str, typer.Option("--selector", "-l", help="Only those with these labels.")] = "",
    output: Annotated[Format, typer.Option("--output", "-o", help="In which form.")] = Format.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List resources, or show one."""
    if "/" in kinds and not name:
        kinds, _, name = kinds.partition("/")
    with refusals_told(), client(context, kubeconfig) as api:
        resources = [resource_named(api, kind) for kind in kinds.split(",") if kind]
        for number, resource in enumerate(resources):
            if number and output in (Format.TABLE, Format.WIDE):
                print()
            within = "" if all_namespaces or not resource.namespaced else namespace or api.namespace
            _show(api, resource, resource.path(within, name), output, selector=selector, one=bool(name))


def resource_named(api: ApiClient, kind: str) -> ApiResource:
    """The resource a person means. Raises typer.Exit with a message when there is none."""
    resource = api.resource(kind)
    if not resource:
        close = close_name(kind.lower(), [name for known in KINDS for name in (known.singular, known.plural)])
        raise fail(f"there is no kind {kind!r}", f"did you mean {close}?" if close else "kinds are " + ", ".join(api.names()))
    return resource


def _show(api: ApiClient, resource: ApiResource, path: str, form: Format, *, selector: str, one: bool) -> None:
    query = {"labelSelector": selector} if selector else {}
    if form in (Format.TABLE, Format.WIDE):
        found = api.get(path, TABLE, **query)
        if not found.get("rows"):
            print(f"no {resource.plural}", file=sys.stderr)
            return
        namespaces = resource.namespaced and "/namespaces/" not in path
        print(server_table(found, wide=form is Format.WIDE, namespaces=namespaces))
        return
    whole = api.get(path, **query)
    bodies = [whole] if one else [_whole(item, resource) for item in whole.get("items", ())]
    print_objects(bodies, form, one=one)


def _whole(item: object, resource: ApiResource) -> dict[str, object]:
    """An item of a list with the kind that Kubernetes leaves out there."""
    assert isinstance(item, dict)
    return {"apiVersion": resource.api_version, "kind": resource.kind, **item}
