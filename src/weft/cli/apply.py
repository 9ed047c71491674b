"""`weft apply`: everything in the files, or nothing.

weft's API takes all objects in one request and one transaction. A Kubernetes API server has none of the kind: there every
object is tried with dryRun first, and only when all are accepted is anything written.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.cli.api_client import ApiClient, ApiError, ApiResource
from weft.cli.connection import Kubeconfig, Namespace, client
from weft.cli.manifests import Unreadable, read
from weft.cli.output import fail, object_name, print_findings, refusals_told
from weft.controlplane.api.three_way import annotated, updated
from weft.finding import Finding, Severity
from weft.ref import Ref
from weft.resource.decode import decode
from weft.resource.yaml_document import Document

Json = Mapping[str, Any]
UNRESOLVED = ("unknown-subset", "unknown-host", "weight-total")
"""References to what does not exist, and what looks like a slip of the pen: no error to the API, since resources may come in any
order and Istio takes any weights, but to `weft apply`."""

BREAKING = "denies-seen-calls"
"""What the API refuses and a writer may mean."""

INSISTING = "--allow-unresolved applies it all the same"
FIELD_MANAGER = "weft-apply"

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document with the namespace it goes to."""

    document: Document
    raw: Json


@app.command()
def command(
    context: typer.Context,
    files: Annotated[list[str], typer.Option("--filename", "-f", help="A file, a folder, or - for standard input; repeatable.")],
    recursive: Annotated[bool, typer.Option("--recursive", "-R", help="Read folders within folders.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen and write nothing.")] = False,
    allow_unresolved: Annotated[bool, typer.Option(help="Apply what names nothing yet, and weights that miss 100.")] = False,
    allow_breaking: Annotated[bool, typer.Option(help="Apply policies that deny calls which are made.")] = False,
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = None,
    record: Annotated[Path | None, typer.Option(help="Write the API paths of what was applied here.", hidden=True)] = None,
) -> None:
    """Apply resources from YAML: all of them, or none when one is wrong."""
    try:
        found, findings = read(files, recursive=recursive)
    except Unreadable as problem:
        raise fail(str(problem)) from None
    if _stops(findings):
        print_findings([*findings, *_local(found)])
        raise fail("nothing was applied")
    if not found:
        raise fail("there is no resource in " + ", ".join(files))
    with refusals_told(), client(context, kubeconfig) as api:
        wanted = [_placed(api, document, namespace) for document in found]
        if not api.is_weft:
            _apply_plainly(api, wanted, dry_run)
            return
        local = _local(found)
        if _stops(local):
            print_findings(local)
            raise fail("nothing was applied")
        _apply_at_once(api, wanted, dry_run, allow_unresolved, allow_breaking)
        if record:
            record.write_text(json.dumps({"paths": _paths(api, wanted)}))


def _paths(api: ApiClient, wanted: Sequence[Wanted]) -> list[str]:
    """Where each object is in the API, in the order of the files."""
    found = []
    for each in wanted:
        meta = each.raw["metadata"]
        found.append(_known(api, each).path(str(meta.get("namespace") or ""), str(meta["name"])))
    return list(dict.fromkeys(found))


def _local(found: Sequence[Document]) -> list[Finding]:
    return [document.located(each) for document in found for each in decode(document.raw).findings]


def _stops(findings: Sequence[Finding]) -> bool:
    return any(each.severity is Severity.ERROR for each in findings)


def _placed(api: ApiClient, document: Document, namespace: str) -> Wanted:
    """The object in the namespace it names, else in that of the option, else in the kubeconfig's."""
    raw = document.raw
    meta = raw.get("metadata")
    resource = api.resource_of(str(raw.get("apiVersion")), str(raw.get("kind")))
    if not resource or not resource.namespaced or not isinstance(meta, Mapping):
        return Wanted(document, raw)
    said = meta.get("namespace")
    if said and namespace and said != namespace:
        raise fail(
            f"{document.file}:{document.line_of('metadata.namespace')}: the namespace is {said}, not {namespace} as -n says"
        )
    return Wanted(document, {**raw, "metadata": {**meta, "namespace": said or namespace or api.namespace}})


def _apply_at_once(
    api: ApiClient, wanted: Sequence[Wanted], dry_run: bool, allow_unresolved: bool, allow_breaking: bool
) -> None:  # fmt: skip
    request: dict[str, Any] = {
        "objects": [each.raw for each in wanted],
        "dryRun": dry_run,
        "fieldManager": FIELD_MANAGER,
        "refuse": [] if allow_unresolved else UNRESOLVED,
        "allow": [BREAKING] if allow_breaking else [],
    }
    answer = api.request("POST", "/weft/v1/apply", request, accepted=(422,))
    found = [_finding(each, wanted) for each in answer.get("findings", ())]
    if not answer.get("applied"):
        refused = [replace(each, severity=Severity.ERROR) if each.code in request["refuse"] else each for each in found]
        print_findings(refused)
        raise fail("nothing was applied", INSISTING if refused != found else "")
    print_findings(found)
    for each in answer.get("results", ()):
        _tell(each["resource"], each["kind"], each["name"], each["outcome"], dry_run)


def _tell(resource: str, kind: str, name: str, outcome: str, dry_run: bool) -> None:
    group = resource.partition(".")[2]
    print(f"{kind.lower()}{'.' + group if group else ''}/{name} {outcome}{' (dry run)' if dry_run else ''}")


def _finding(told: Json, wanted: Sequence[Wanted]) -> Finding:
    ref = Ref(told["group"], told["kind"], told["namespace"], told["name"], told["field"])
    found = Finding(told["code"], Severity(told["severity"]), ref, told["message"], told.get("hint", ""))
    number = told.get("object")
    return wanted[number].document.located(found) if isinstance(number, int) and number < len(wanted) else found


# A Kubernetes API server


def _apply_plainly(api: ApiClient, wanted: Sequence[Wanted], dry_run: bool) -> None:
    resources = [_known(api, each) for each in wanted]
    wrong = [problem for each, resource in zip(wanted, resources, strict=True) if (problem := _tried(api, each, resource))]
    if wrong:
        raise fail("\n".join(wrong) + "\nweft: nothing was applied")
    if dry_run:
        for each in wanted:
            print(f"{object_name(each.raw)} accepted (dry run)")
        return
    for each, resource in zip(wanted, resources, strict=True):
        print(f"{object_name(each.raw)} {_apply_one(api, each, resource, {})}")


def _known(api: ApiClient, wanted: Wanted) -> ApiResource:
    api_version, kind = str(wanted.raw.get("apiVersion")), str(wanted.raw.get("kind"))
    resource = api.resource_of(api_version, kind)
    if not resource:
        raise fail(f"{wanted.document.file}:{wanted.document.line}: the server does not know {api_version} {kind}")
    return resource


def _tried(api: ApiClient, wanted: Wanted, resource: ApiResource) -> str:
    """Why the server would refuse it, with its place; nothing when it would not."""
    try:
        _apply_one(api, wanted, resource, {"dryRun": "All"})
    except ApiError as refused:
        causes = (refused.status.get("details") or {}).get("causes") or [{}]
        line = wanted.document.line_of(str(causes[0].get("field", "")))
        return f"{wanted.document.file}:{line}: {refused}"
    return ""


def _apply_one(api: ApiClient, wanted: Wanted, resource: ApiResource, query: Mapping[str, str]) -> str:
    """What became of it, in kubectl's words."""
    raw, query = wanted.raw, {**query, "fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    new = annotated(raw, str(raw.get("apiVersion")))
    namespace, name = str(raw["metadata"].get("namespace", "")), str(raw["metadata"]["name"])
    try:
        old = api.get(resource.path(namespace, name))
    except ApiError as refused:
        if refused.code != 404:
            raise
        api.request("POST", resource.path(namespace), new, query=query)
        return "created"
    done = api.request("PUT", resource.path(namespace, name), updated(old, new), query=query)
    return "unchanged" if done["metadata"].get("resourceVersion") == old["metadata"].get("resourceVersion") else "configured"
