"""docs/weft-yaml.md, docs/resources.md and docs/supported.md, written from the schemas: `python -m weft.cli.field_reference docs`.

What the code reads is the one truth; the pages repeat it for people.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from weft.cli.supported import supported
from weft.resource.field import Message
from weft.resource.kinds import KINDS
from weft.supervisor import compose_schema

_WEFT_YAML = """# weft.yaml

The [Compose specification](https://github.com/compose-spec/compose-spec) for processes, with `x-weft` for what a mesh adds. Written from the schema
(`python -m weft.cli.field_reference docs`); `weft schema` prints that schema for your editor:

```yaml
# yaml-language-server: $schema=weft.schema.json
```

`command` runs without a shell, in the folder of the file. Variables are interpolated as Compose does (`$VAR`, `${VAR:-default}`, `${VAR:?error}`, `$$`, a
`.env` file beside it), but for `$PORT`, `$HOST`, `$PORT_<NAME>` and the `*_ADDR` of upstreams, which each instance is given for itself. A service with
`image` and no `command` is not run: weft runs processes, not containers.

An application listens on address `$HOST` and port `$PORT`, on loopback. An IPv6 `$HOST` has no brackets; the `*_ADDR` have them. It calls other services by their names through the proxy variables it is given
(`http_proxy` and its like), or at the local port of an `upstream`.
"""

_RESOURCES = """# Resources

The kinds that weft reads, with every field of their reference and whether it has an effect. Written from the code
(`python -m weft.cli.field_reference docs`). A field marked **not yet** is accepted, has no effect, and each use of it is a finding (`unsupported-field`);
a field that is not here is refused (`unknown-field`).

All versions of a kind have the same meaning. The references are
[Istio's](https://istio.io/latest/docs/reference/config/networking/), the
[Gateway API's](https://gateway-api.sigs.k8s.io/reference/spec/) and
[Kubernetes'](https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/).
"""


def weft_yaml() -> str:
    """The page about weft.yaml."""
    service = compose_schema.SERVICE["properties"]
    weft = service["x-weft"]["properties"]
    lines = [_WEFT_YAML, "## services.NAME\n", *_schema(service), "", "## services.NAME.x-weft\n", *_schema(weft)]
    for name, schema in (("ports[]", weft["ports"]["items"]), ("health", weft["health"])):
        lines += ["", f"## services.NAME.x-weft.{name}\n", *_schema(schema["properties"])]
    upstream = weft["upstreams"]["items"]["anyOf"][1]
    lines += ["", "## services.NAME.x-weft.upstreams[]\n", *_schema(upstream["properties"])]
    lines += ["", "## x-weft\n", *_schema(compose_schema.FILE["properties"]["x-weft"]["properties"]), ""]
    without = sorted(name for name, each in service.items() if each.get("deprecated"))
    lines += [
        "## Compose fields without an effect\n",
        "Each use is a finding (`unsupported-compose-field`): " + _code(without) + ".",
        "",
    ]
    return "\n".join(lines)


def _schema(properties: Mapping[str, Any]) -> Iterator[str]:
    for name, each in properties.items():
        if not each.get("deprecated"):
            said = each.get("description", "")
            values = f" One of {_code(each['enum'])}." if "enum" in each else ""
            yield f"- `{name}`" + (f": {said}." if said else "") + values


def _code(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def resources() -> str:
    """The page about the kinds."""
    lines = [_RESOURCES]
    for kind in KINDS:
        names = _code(kind.short_names)
        lines += [f"## {kind.kind}\n", f"{_code(kind.api_versions)}" + (f"; short: {names}" if names else "") + "\n"]
        lines += list(_fields(kind.type, kind.body, set()))
        lines.append("")
    return "\n".join(lines)


def _fields(struct: type[Message], path: str, seen: set[type]) -> Iterator[str]:
    """A line for each field below `path`; a struct within itself is not entered twice."""
    annotations = msgspec.structs.fields(struct)
    for field in annotations:
        place = f"{path}.{field.encode_name}" if path else field.encode_name
        inner, many = _inner(field.type)
        unsupported = any(
            isinstance(each, msgspec.Meta)
            and each.extra
            and each.extra.get("supported") is False
            and each.extra.get("unless") is None
            for each in get_args(field.type)[1:]
            if hasattr(field.type, "__metadata__")
        )
        yield f"- `{place}{'[]' if many else ''}`" + (" **not yet**" if unsupported else "")
        if inner is not None and not unsupported and inner not in seen:
            yield from _fields(inner, f"{place}[]" if many else place, seen | {inner})


def _inner(found: Any) -> tuple[type[Message] | None, bool]:
    """The struct inside a type, and whether there are many of it."""
    if isinstance(found, type) and issubclass(found, Message):
        return found, False
    many = getattr(found, "__origin__", None) in (tuple, list)
    for each in get_args(found):
        if isinstance(each, msgspec.Meta):
            continue
        inner, nested = _inner(each)
        if inner is not None or nested:
            return inner, many or nested
    return None, many


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "weft-yaml.md").write_text(weft_yaml())
    (folder / "resources.md").write_text(resources())
    (folder / "supported.md").write_text(supported())
