"""What kubectl reads before it explains or applies."""

from weft.controlplane.api import openapi_v2
from weft.resource.kinds import KINDS

from .conftest import Api


async def test_each_version_has_a_document(api: Api) -> None:
    """The list names a document for each group and version, with a hash of it."""
    paths = (await api.get("/openapi/v3"))["paths"]
    assert {f"apis/{kind.api_version}" if kind.group else "api/v1" for kind in KINDS} <= set(paths)
    for entry in paths.values():
        assert "hash=" in entry["serverRelativeURL"]
        await api.get(entry["serverRelativeURL"])
    await api.get("/openapi/v3/apis/nix/v1", code=404)


async def test_a_patch_takes_dry_run_and_field_validation(api: Api) -> None:
    """So kubectl leaves validation to the server."""
    document = await api.get("/openapi/v3/apis/networking.istio.io/v1")
    patch = document["paths"]["/apis/networking.istio.io/v1/namespaces/{namespace}/gateways/{name}"]["patch"]
    assert {"dryRun", "fieldValidation"} <= {parameter["name"] for parameter in patch["parameters"]}
    assert patch["x-kubernetes-group-version-kind"] == {"group": "networking.istio.io", "version": "v1", "kind": "Gateway"}
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    core = await api.get("/openapi/v3/api/v1")
    assert (
        "application/strategic-merge-patch+json"
        in (core["paths"]["/api/v1/namespaces/{namespace}/services/{name}"]["patch"]["requestBody"]["content"])
    )


async def test_a_kind_has_a_schema(api: Api) -> None:
    """`kubectl explain` finds a schema by its group, version and kind."""
    schemas = (await api.get("/openapi/v3/apis/networking.istio.io/v1"))["components"]["schemas"]
    asked = {"group": "networking.istio.io", "version": "v1", "kind": "VirtualService"}
    (found,) = [each for each in schemas.values() if asked in each.get("x-kubernetes-group-version-kind", ())]
    assert "http" in found["properties"]["spec"]["properties"]


async def test_old_clients_ask_protobuf(api: Api) -> None:
    """Version 2 is answered as protobuf to who asks so, as JSON to others."""
    asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    answer = await api.http.get("/openapi/v2", headers={"accept": asked})
    assert answer.headers["content-type"] == openapi_v2.MEDIA_TYPE
    assert answer.content.startswith(b"\x0a\x032.0")
    assert b"x-kubernetes-group-version-kind" in answer.content
    assert (await api.get("/openapi/v2"))["swagger"] == "2.0"
