"""`weft delete`: resources by name, by labels, or those in files."""

from collections.abc import Iterable
from typing import Annotated

import typer

from weft.cli import completion
from weft.cli.api_client import ApiClient, ApiError, ApiResource
from weft.cli.apply import BREAKING
from weft.cli.connection import Kubeconfig, Namespace, client
from weft.cli.get import resource_named
from weft.cli.manifests import Unreadable, read
from weft.cli.output import fail, print_findings, refusals_told

Target = tuple[ApiResource, str, str]  # with namespace and name

app = typer.Typer(add_completion=False)


@app.command()
def command(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="virtualservice, vs, ...; or KIND/NAME.", autocompletion=completion.kinds)] = "",
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", autocompletion=completion.names)] = None,
    files: Annotated[
        list[str] | None, typer.Option("--filename", "-f", help="Delete what is in this file, folder, or -.")
    ] = None,
    selector: Annotated[str, typer.Option("--selector", "-l", help="Delete those with these labels.")] = "",
    namespace: Namespace = "",
    ignore_not_found: Annotated[bool, typer.Option(help="What is not there is no error.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go and delete nothing.")] = False,
    allow_breaking: Annotated[bool, typer.Option(help="Delete policies without which calls are denied that are made.")] = False,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Delete resources."""
    with refusals_told(), client(context, kubeconfig) as api:
        targets = list(_in_files(api, files, namespace) if files else _named(api, kind, names or [], selector, namespace))
        missing = [target for target in targets if not _delete(api, target, dry_run, allow_breaking)]
    for resource, _, name in missing:
        if not ignore_not_found:
            fail(f'{resource.full_name} "{name}" not found')
    if missing and not ignore_not_found:
        raise typer.Exit(1)


def _named(api: ApiClient, kind: str, names: list[str], selector: str, namespace: str) -> Iterable[Target]:
    if "/" in kind:
        kind, _, name = kind.partition("/")
        names = [name, *names]
    if not kind or bool(names) == bool(selector):
        raise fail("what is to be deleted?", "weft delete KIND NAME, weft delete KIND -l LABEL=VALUE, or weft delete -f FILE")
    resource = resource_named(api, kind)
    within = (namespace or api.namespace) if resource.namespaced else ""
    if selector:
        found = api.get(resource.path(within), labelSelector=selector).get("items", ())
        names = [item["metadata"]["name"] for item in found]
    return [(resource, within, name) for name in names]


def _in_files(api: ApiClient, files: list[str], namespace: str) -> Iterable[Target]:
    """What the files name, the last first, so that what refers goes before what it refers to."""
    try:
        documents, findings = read(files)
    except Unreadable as problem:
        raise fail(str(problem)) from None
    if findings:
        print_findings(findings)
        raise fail("nothing was deleted")
    for document in reversed(documents):
        raw = document.raw
        resource = api.resource_of(str(raw.get("apiVersion")), str(raw.get("kind")))
        meta = raw.get("metadata") or {}
        if not resource or not meta.get("name"):
            raise fail(f"{document.file}:{document.line}: this names no resource that the server has")
        within = (meta.get("namespace") or namespace or api.namespace) if resource.namespaced else ""
        yield resource, within, meta["name"]


def _delete(api: ApiClient, target: Target, dry_run: bool, allow_breaking: bool) -> bool:
    """Whether it was there."""
    resource, namespace, name = target
    try:
        query = ({"dryRun": "All"} if dry_run else {}) | ({"allow": BREAKING} if allow_breaking else {})
        api.request("DELETE", resource.path(namespace, name), query=query)
    except ApiError as refused:
        if refused.code != 404:
            raise
        return False
    group = f".{resource.group}" if resource.group else ""
    print(f"{resource.kind.lower()}{group}/{name} deleted{' (dry run)' if dry_run else ''}")
    return True
