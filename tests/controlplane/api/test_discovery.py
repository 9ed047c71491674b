"""Clients find out what is served, one document at a time or all at once."""

from weft.resource.kinds import KINDS

from .conftest import Api

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


async def test_groups_and_versions(api: Api) -> None:
    """The plain documents lead from /apis to every group and version."""
    assert (await api.get("/api"))["versions"] == ["v1"]
    groups = {group["name"]: group for group in (await api.get("/apis"))["groups"]}
    networking = groups["networking.istio.io"]
    assert networking["preferredVersion"]["groupVersion"] == "networking.istio.io/v1"
    for name in groups:
        assert (await api.get(f"/apis/{name}"))["name"] == name
        for version in groups[name]["versions"]:
            found = await api.get(f"/apis/{version['groupVersion']}")
            assert found["groupVersion"] == version["groupVersion"]
    await api.get("/apis/nix", code=404)
    await api.get("/apis/networking.istio.io/v7", code=404)


async def test_resources_of_a_version(api: Api) -> None:
    """A resource says its names, its scope and its verbs, and has a status subresource."""
    found = {entry["name"]: entry for entry in (await api.get("/apis/networking.istio.io/v1beta1"))["resources"]}
    entry = found["virtualservices"]
    assert (entry["kind"], entry["singularName"], entry["shortNames"]) == ("VirtualService", "virtualservice", ["vs"])
    assert "watch" in entry["verbs"]
    assert found["virtualservices/status"]["verbs"] == ["get", "patch", "update"]


async def test_pods_stand_in_discovery(api: Api) -> None:
    """Kinds that are not served are found all the same, so that the server gets to say what to use."""
    found = {entry["name"]: entry["verbs"] for entry in (await api.get("/api/v1"))["resources"]}
    assert found["pods"] == ["get", "list"]


async def test_aggregated_discovery(api: Api) -> None:
    """One document holds all groups; the newest form that the client knows is answered."""
    for version in ("v2", "v2beta1"):
        answer = await api.http.get("/apis", headers={"accept": f"{AGGREGATED.format(version)},application/json"})
        assert answer.headers["content-type"] == f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        found = answer.json()
        assert found["apiVersion"] == f"apidiscovery.k8s.io/{version}"
        served = {
            (group["metadata"]["name"], each["resource"])
            for group in found["items"]
            for version_of in group["versions"]
            for each in version_of["resources"]
        }
        assert {(kind.group, kind.plural) for kind in KINDS if kind.group} <= served
    both = ",".join(AGGREGATED.format(version) for version in ("v2", "v2beta1"))
    assert (await api.get("/api", accept=both))["apiVersion"] == "apidiscovery.k8s.io/v2"
    await api.get("/api", accept=AGGREGATED.format("v3"), code=406)
