"""What commands print: tables, objects, findings, and the errors of the API in the form what, where, hint."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import typer
import yaml

from weft.cli.access import NoAccess
from weft.cli.api_client import ApiError, Unreachable
from weft.finding import Finding

Json = Mapping[str, Any]


class Format(StrEnum):
    """Forms in which objects are printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns in capitals, as wide as their content, three spaces apart."""
    titles = [title.upper() for title in headers]
    widths = [max(len(row[number]) for row in [titles, *rows]) for number in range(len(titles))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [titles, *rows])
    return "\n".join(lines)


def print_lines(lines: Iterable[str]) -> None:
    """One a line; of nothing, nothing: no empty line that a script would take for a name."""
    for line in lines:
        print(line)


def server_table(found: Json, *, wide: bool, namespaces: bool) -> str:
    """A Table of the API."""
    columns = found.get("columnDefinitions", ())
    shown = [number for number, column in enumerate(columns) if wide or not column.get("priority")]
    headers = (["Namespace"] if namespaces else []) + [columns[number]["name"] for number in shown]
    rows = [
        ([row["object"]["metadata"].get("namespace", "")] if namespaces else [])
        + [_cell(row["cells"][number]) for number in shown]
        for row in found.get("rows") or ()
    ]
    return table(headers, rows)


def _cell(value: Any) -> str:
    """A value as a person reads it: the API writes lists and maps as JSON."""
    if not isinstance(value, str) or not value.startswith(("[", "{")):
        return "" if value is None else str(value)
    try:
        inner = json.loads(value)
    except ValueError:
        return value
    if isinstance(inner, dict):
        return ",".join(f"{key}={item}" for key, item in inner.items())
    return ",".join(str(item) for item in inner)


class _Dumper(yaml.SafeDumper):
    """YAML with texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    """A value as YAML, in the order it has."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False)


def print_objects(bodies: Sequence[Json], form: Format, *, one: bool) -> None:
    """Whole objects; several as a List. Who set which field is left out, as kubectl does."""
    bodies = [readable(body) for body in bodies]
    whole: Json = bodies[0] if one else {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
    match form:
        case Format.JSON:
            print(json.dumps(whole, indent=2, ensure_ascii=False))
        case Format.YAML:
            print(as_yaml(whole), end="")
        case _:
            for body in bodies:
                print(object_name(body))


def readable(body: Json) -> Json:
    """The object without its managed fields, which nobody reads."""
    meta = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return {**body, "metadata": meta}


def object_name(body: Json) -> str:
    """`virtualservice.networking.istio.io/reviews`."""
    group = str(body.get("apiVersion", "")).rpartition("/")[0]
    kind = str(body.get("kind", "")).lower()
    return f"{kind}.{group}/{body['metadata']['name']}" if group else f"{kind}/{body['metadata']['name']}"


def print_findings(findings: Iterable[Finding]) -> None:
    """To stderr, in the order of their places; the hint on lines of its own."""
    for each in sorted(findings, key=lambda found: (found.file, found.line, found.severity.value, found.code)):
        place = f"{each.file}:{each.line}: " if each.file else ""
        where = f" ({each.ref})" if each.ref.name or each.ref.field else ""
        print(f"{place}{each.severity.value} {each.code}: {each.message}{where}", file=sys.stderr)
        for line in each.hint.splitlines():
            print(f"    {line}" if line != each.hint.splitlines()[0] else f"  hint: {line}", file=sys.stderr)


@contextmanager
def refusals_told() -> Iterator[None]:
    """Turns what the API or the way to it refuses into a message and exit code 1."""
    try:
        yield
    except ApiError as refused:
        print(f"weft: {refused}", file=sys.stderr)
        raise typer.Exit(1) from None
    except Unreachable as problem:
        print(
            f"weft: {problem}\n  hint: is the mesh running? `weft ls` lists those of this user, `weft up` starts one",
            file=sys.stderr,
        )
        raise typer.Exit(1) from None
    except NoAccess as problem:
        print(f"weft: {problem}", file=sys.stderr)
        raise typer.Exit(1) from None


def fail(message: str, hint: str = "") -> typer.Exit:
    """Says what is wrong; raise the answer."""
    print(f"weft: {message}" + (f"\n  hint: {hint}" if hint else ""), file=sys.stderr)
    return typer.Exit(1)
