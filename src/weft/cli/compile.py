"""`weft compile`: what a proxy would get, with no server running."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False)


@app.command()
def compile_(
    file: Annotated[list[Path], typer.Option("-f", "--file", help="A YAML file or folder, repeatable; - for standard input.")],
    proxy: Annotated[str, typer.Option(help="The workload beside which the proxy stands: [NAMESPACE/]NAME of a WorkloadEntry.")],
    output: Annotated[str, typer.Option("-o", "--output", help="json or yaml.")] = "yaml",
    trust_domain: Annotated[str, typer.Option(help="The mesh's trust domain.")] = "cluster.local",
    domain: Annotated[str, typer.Option(help="The domain of service names.")] = "cluster.local",
) -> None:
    """Compile resources for one proxy and print Envoy's configuration. No server is asked."""
    from weft.controlplane.offline import as_json, envoy_resources
    from weft.finding import Severity
    from weft.model.mesh import Settings
    from weft.resource.decode import decode
    from weft.resource.yaml_document import documents

    resources, broken = [], False
    for path in _files(file):
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
        found, findings = documents(text, str(path))
        for document in found:
            decoded = decode(document.raw)
            findings += tuple(document.located(each) for each in decoded.findings)
            if decoded.resource is not None:
                resources.append(decoded.resource)
        for each in findings:
            print(each, file=sys.stderr)
            broken = broken or each.severity is Severity.ERROR
    if broken:
        raise typer.Exit(1)
    _print([as_json(each) for each in envoy_resources(resources, proxy, Settings(trust_domain, domain))], output)


def _files(paths: list[Path]) -> list[Path]:
    return [
        each for path in paths for each in (sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")]) if path.is_dir() else [path])
    ]


def _print(messages: list[Any], output: str) -> None:
    import json

    import yaml

    if output == "json":
        print(json.dumps(messages, indent=2))
    else:
        yaml.safe_dump_all(json.loads(json.dumps(messages)), sys.stdout, sort_keys=False)  # as plain dicts
