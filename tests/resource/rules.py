"""What the tests of rules share: a spec in YAML becomes (code, path) of each finding."""

import yaml

from weft.resource.decode import decode
from weft.resource.kinds import by_name


def found_in(kind: str, spec: str) -> list[tuple[str, str]]:
    """Code and path (without `spec`) of every finding about a resource of `kind` with this spec."""
    known = by_name(kind)
    assert known is not None
    raw = {"apiVersion": known.api_version, "kind": known.kind, "metadata": {"name": "a"}, "spec": yaml.safe_load(spec)}
    return [(one.code, one.ref.field.removeprefix("spec").removeprefix(".")) for one in decode(raw).findings]
