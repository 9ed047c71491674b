"""The kinds hold Istio's v1 reference field for field."""

from pathlib import Path
from typing import Any

import pytest

from weft.resource import schema
from weft.resource.kinds import KINDS, by_kind, by_name, by_plural

# Field, type, enumeration and required fields of each kind, as in the CustomResourceDefinitions of Istio 1.28.
REFERENCE = (Path(__file__).parent / "istio_v1_fields.txt").read_text().splitlines()
ISTIO = ("VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "WorkloadEntry", "PeerAuthentication")


def _described(path: str, of: dict[str, Any]) -> list[str]:
    words = [path, of["type"]]
    if "enum" in of:
        words.append("enum=" + "|".join(sorted(of["enum"])))
    if "required" in of:
        words.append("required=" + ",".join(sorted(of["required"])))
    found = [" ".join(words)]
    if of["type"] == "array":
        found += _described(f"{path}[]", of["items"])
    for name, inner in of.get("properties", {}).items():
        found += _described(f"{path}.{name}", inner)
    if isinstance(of.get("additionalProperties"), dict):
        found += _described(f"{path}{{}}", of["additionalProperties"])
    return found


@pytest.mark.parametrize("name", ISTIO)
def test_a_kind_has_every_field_of_istios_reference(name: str) -> None:
    """Names, types, enumerations and required fields are those of Istio's v1, neither more nor less."""
    kind = next(kind for kind in KINDS if kind.kind == name and kind.group.endswith("istio.io"))
    assert kind is not None
    ours = sorted(_described(name, schema.resource(kind, "v1")["properties"]["spec"]))
    assert ours == [line for line in REFERENCE if line.split()[0].split(".")[0].split("{")[0] == name]


def test_kinds_are_found_as_kubectl_names_them() -> None:
    """Short names, plurals, kinds and `plural.group` are one; of two Gateways the Gateway API's comes first, as in Kubernetes."""
    for kind in KINDS:
        alone = () if kind.resource == "gateways.networking.istio.io" else (kind.kind, kind.plural, kind.singular)
        for said in (*alone, kind.resource, *kind.short_names):
            assert by_name(said) is kind
        assert by_plural(kind.group, kind.plural) is kind
        for api_version in kind.api_versions:
            assert by_kind(api_version, kind.kind) is kind
    assert by_name("pods") is None


def test_names_are_given_once() -> None:
    """No two kinds share a plural and group, a short name or an apiVersion and kind."""
    names = [name for kind in KINDS for name in (kind.resource, *kind.short_names)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_schema_stands_alone(kind: Any) -> None:
    """Every reference in a group's components points into them, and each names its group, version and kind."""
    for version in kind.versions:
        found = schema.components(kind.group, version)
        references = {one.split('"')[0] for one in str(found).replace("'", '"').split("#/components/schemas/")[1:]}
        assert references <= set(found)
        named = found[schema.component_name(kind, version)]["x-kubernetes-group-version-kind"]
        assert named == [{"group": kind.group, "version": version, "kind": kind.kind}]


def test_references_point_where_they_are_asked_to() -> None:
    """OpenAPI v2 has its schemas under definitions."""
    text = str(schema.components("", "v1", "#/definitions/"))
    assert "#/definitions/" in text
    assert "#/components/" not in text


def test_ports_of_a_service_are_merged_by_their_number() -> None:
    """kubectl patches a Service's list of ports element by element."""
    kind = by_name("svc")
    assert kind is not None
    ports = schema.resource(kind, "v1")["properties"]["spec"]["properties"]["ports"]
    assert ports["x-kubernetes-patch-merge-key"] == "port"
    assert ports["items"]["properties"]["targetPort"]["x-kubernetes-int-or-string"] is True
