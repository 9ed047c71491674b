"""Create, get, list, replace, patch and delete, as Kubernetes does them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from weft.controlplane.api import namespaces
from weft.controlplane.api.admission import Admission
from weft.controlplane.api.application import application
from weft.finding import Finding
from weft.store.memory import MemoryStore
from weft.store.store import Key, Put

from .conftest import RULES, SERVICES, Api, rule, service


async def test_a_created_object_has_an_identity(api: Api) -> None:
    """The API gives uid, creation time, generation and resource version, and ignores those of the client."""
    made = await api.create(rule(uid="mine", generation=7, resourceVersion="9", managedFields=[{}]) | {"status": {"x": 1}})
    meta = made["metadata"]
    assert (meta["namespace"], meta["generation"], meta["resourceVersion"]) == ("default", 1, "3")
    assert meta["uid"] != "mine"
    assert meta["creationTimestamp"].endswith("Z")
    assert "status" not in made
    assert [entry["manager"] for entry in meta["managedFields"]] == ["python-httpx"]
    assert await api.get(f"{RULES}/reviews") == made


async def test_every_version_is_one_object(api: Api) -> None:
    """What is written in one version is read in every other."""
    await api.create(rule(version="v1alpha3"), RULES.replace("/v1/", "/v1alpha3/"))
    for version in ("v1", "v1beta1", "v1alpha3"):
        found = await api.get(f"/apis/networking.istio.io/{version}/namespaces/default/destinationrules/reviews")
        assert found["apiVersion"] == f"networking.istio.io/{version}"
    await api.get("/apis/networking.istio.io/v2/namespaces/default/destinationrules/reviews", code=404)


async def test_a_name_is_used_once(api: Api) -> None:
    """A second create is refused with AlreadyExists."""
    await api.create(rule())
    refused = await api.create(rule(), code=409)
    assert (refused["reason"], refused["details"]["kind"]) == ("AlreadyExists", "destinationrules")


async def test_a_generated_name_begins_as_asked(api: Api) -> None:
    """generateName is completed."""
    made = await api.create({**rule(), "metadata": {"generateName": "reviews-"}})
    assert made["metadata"]["name"].startswith("reviews-")
    assert len(made["metadata"]["name"]) == len("reviews-") + 5


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254, "", 7])
async def test_a_name_is_a_dns_name(api: Api, name: Any) -> None:
    """A name that is no DNS name is refused at metadata.name."""
    refused = await api.create(rule(name), code=422)
    assert refused["details"]["causes"][0]["field"] == "metadata.name"


async def test_a_namespace_must_exist(api: Api) -> None:
    """An object in a missing namespace is refused with NotFound, as Kubernetes does."""
    refused = await api.create(rule(), RULES.replace("default", "nowhere"), code=404)
    assert refused["message"] == 'namespaces "nowhere" not found'
    await api.create({"metadata": {"name": "nowhere"}}, "/api/v1/namespaces")
    await api.create(rule(), RULES.replace("default", "nowhere"))


async def test_the_path_and_the_body_agree(api: Api) -> None:
    """A body that names another kind, namespace or name than its path is refused."""
    await api.create(rule(namespace="istio-system"), code=400)
    await api.create(service(), code=400)
    await api.create(rule())
    await api.ask("PUT", f"{RULES}/reviews", rule("other"), code=400)
    await api.create([], code=400)


async def test_a_missing_object_is_not_found(api: Api) -> None:
    """The Status of a missing object names it as kubectl prints it."""
    refused = await api.get(f"{RULES}/nix", code=404)
    assert refused["message"] == 'destinationrules.networking.istio.io "nix" not found'
    assert refused["details"] == {"name": "nix", "group": "networking.istio.io", "kind": "destinationrules"}
    assert (refused["kind"], refused["status"], refused["code"]) == ("Status", "Failure", 404)


async def test_a_replace_stands_on_the_latest_state(api: Api) -> None:
    """A replace with an old resource version is a conflict, one without is refused, and generation counts changes of the spec."""
    made = await api.create(rule())
    changed = await api.ask("PUT", f"{RULES}/reviews", {**made, "spec": {"host": "other"}})
    assert changed["metadata"]["generation"] == 2
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert (await api.ask("PUT", f"{RULES}/reviews", made, code=409))["reason"] == "Conflict"
    await api.ask("PUT", f"{RULES}/reviews", rule(), code=422)
    await api.ask("PUT", f"{RULES}/nix", rule("nix"), code=404)


async def test_core_kinds_may_be_replaced_unconditionally(api: Api) -> None:
    """A Service may be replaced without a resource version, as in Kubernetes."""
    await api.create(service(), SERVICES)
    changed = await api.ask("PUT", f"{SERVICES}/reviews", service("reviews", 81))
    assert changed["spec"]["ports"] == [{"protocol": "TCP", "name": "http-81", "port": 81}]


async def test_a_write_that_changes_nothing_writes_nothing(api: Api) -> None:
    """The resource version stays when the object does."""
    made = await api.create(rule())
    assert await api.ask("PUT", f"{RULES}/reviews", made) == made
    assert await api.patch(f"{RULES}/reviews", {"spec": {"host": "reviews"}}) == made


async def test_labels_do_not_count_as_a_generation(api: Api) -> None:
    """Only a change of the specification makes a new generation."""
    await api.create(rule())
    labelled = await api.patch(f"{RULES}/reviews", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1


async def test_status_is_written_through_its_subresource_only(api: Api) -> None:
    """The main resource leaves the status as it is, the status subresource leaves all else."""
    await api.create(rule())
    await api.patch(f"{RULES}/reviews", {"status": {"a": 1}})
    assert "status" not in await api.get(f"{RULES}/reviews")
    changed = await api.patch(f"{RULES}/reviews/status", {"status": {"a": 1}, "spec": {"host": "other"}})
    assert (changed["status"], changed["spec"]["host"], changed["metadata"]["generation"]) == ({"a": 1}, "reviews", 1)
    changed = await api.patch(f"{RULES}/reviews", {"spec": {"host": "other"}})
    assert (changed["status"], changed["spec"]["host"]) == ({"a": 1}, "other")


async def test_the_three_patches(api: Api) -> None:
    """JSON and merge patches are for every kind, strategic merge patches for the core kinds."""
    await api.create(rule())
    await api.create(service("reviews", 80), SERVICES)
    changed = await api.patch(f"{RULES}/reviews", [{"op": "replace", "path": "/spec/host", "value": "b"}], "json-patch")
    assert changed["spec"]["host"] == "b"
    assert (await api.patch(f"{RULES}/reviews", {}, "strategic-merge-patch", code=415))["reason"] == "UnsupportedMediaType"
    ports = {"spec": {"ports": [{"name": "more", "port": 81}]}}
    changed = await api.patch(f"{SERVICES}/reviews", ports, "strategic-merge-patch")
    assert [port["port"] for port in changed["spec"]["ports"]] == [80, 81]
    assert [port["port"] for port in (await api.patch(f"{SERVICES}/reviews", ports))["spec"]["ports"]] == [81]


async def test_a_patch_with_an_old_version_is_a_conflict(api: Api) -> None:
    """A patch may carry the version it stands on."""
    made = await api.create(rule())
    await api.patch(f"{RULES}/reviews", {"spec": {"host": "b"}})
    old = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "spec": {"host": "c"}}
    await api.patch(f"{RULES}/reviews", old, code=409)


async def test_concurrent_patches_all_count(api: Api) -> None:
    """Patches of different fields at once lose none of each other."""
    await api.create(rule())
    await asyncio.gather(*(api.patch(f"{RULES}/reviews", {"metadata": {"labels": {f"l{n}": "x"}}}) for n in range(20)))
    assert len((await api.get(f"{RULES}/reviews"))["metadata"]["labels"]) == 20


async def test_a_writer_beside_the_api_does_not_make_writes_fail() -> None:
    """Patches, applies and deletes are made again on the state that the writer of statuses left meanwhile."""
    store, key, busy = MemoryStore(), Key("destinationrules.networking.istio.io", "default", "reviews"), [0]

    async def admit(_: Sequence[Admission]) -> tuple[Finding, ...]:
        """A status is written each time while a change is judged, a few times."""
        busy[0] += 1
        if busy[0] % 4 and (stored := await store.get(key)):
            await store.write([Put(key, {**stored.body, "status": {"n": busy[0]}}, stored.revision)])
        return ()

    await namespaces.ensure(store, ("default",))
    transport = httpx.ASGITransport(application(store, admit=admit))
    async with httpx.AsyncClient(transport=transport, base_url="https://weft") as http:
        api = Api(http, store)
        await api.create(rule())
        await api.patch(f"{RULES}/reviews", {"spec": {"host": "patched"}})
        await api.ask("POST", "/weft/v1/apply", {"objects": [rule(host="applied")]})
        found = await api.get(f"{RULES}/reviews")
        assert (found["spec"]["host"], found["status"]) == ("applied", {"n": 7})
        await api.ask("PUT", f"{RULES}/reviews", {**found, "spec": {"host": "put"}}, code=409)
        await api.ask("DELETE", f"{RULES}/reviews")
    assert busy[0] > 8


async def test_dry_run_writes_nothing(api: Api) -> None:
    """dryRun=All answers as the write would, and leaves the store as it was."""
    before = await api.store.revision()
    await api.create(rule(), f"{RULES}?dryRun=All")
    await api.get(f"{RULES}/reviews", code=404)
    await api.create(rule())
    changed = await api.patch(f"{RULES}/reviews?dryRun=All", {"spec": {"host": "b"}})
    assert changed["spec"]["host"] == "b"
    await api.ask("DELETE", f"{RULES}/reviews?dryRun=All")
    await api.ask("DELETE", f"{RULES}/reviews", {"dryRun": ["All"]})
    assert await api.store.revision() == before + 1
    await api.create(rule(), f"{RULES}?dryRun=Some", code=400)


async def test_field_validation(api: Api) -> None:
    """Strict refuses an unknown field, Warn leaves it out and says so, Ignore leaves it out."""
    wrong = rule()
    wrong["spec"]["hots"] = 1
    refused = await api.create(wrong, f"{RULES}?fieldValidation=Strict", code=422)
    assert refused["details"]["causes"][0]["field"] == "spec.hots"
    made = await api.create(wrong, f"{RULES}?fieldValidation=Warn")
    assert made["spec"] == {"host": "reviews"}
    assert "there is no field hots here" in api.warnings[0]
    await api.create({**wrong, "metadata": {"name": "b"}}, f"{RULES}?fieldValidation=Ignore")
    assert not api.warnings
    await api.create(wrong, f"{RULES}?fieldValidation=Maybe", code=400)


async def test_a_wrong_object_is_refused_with_all_its_causes(api: Api) -> None:
    """Each thing that is wrong is a cause with its field."""
    wrong = {**rule(), "spec": {"host": 7, "trafficPolicy": {"loadBalancer": {"simple": "NO"}}}}
    refused = await api.create(wrong, code=422)
    assert {cause["field"] for cause in refused["details"]["causes"]} == {"spec.host", "spec.trafficPolicy.loadBalancer.simple"}
    assert refused["reason"] == "Invalid"
    await api.get(f"{RULES}/reviews", code=404)


async def test_what_admission_warns_of_stands_in_headers(api: Api) -> None:
    """A warning is one header line, quoted, its lines joined."""
    await api.create(rule(host="unheard-of"))
    (warning,) = api.warnings
    assert warning.startswith('299 - "DestinationRule default/reviews spec.host: unknown-host: there is no service unheard-of')
    assert warning.endswith('hint: make \\"it\\" | first"')


async def test_a_list_is_sorted_and_selected(api: Api) -> None:
    """A list can be narrowed by namespace, labels and name."""
    await api.create(rule("b", labels={"app": "x"}))
    await api.create(rule("a"))
    await api.create(rule("c"), RULES.replace("default", "istio-system"))
    everywhere = "/apis/networking.istio.io/v1/destinationrules"
    found = await api.get(everywhere)
    assert (found["kind"], found["apiVersion"]) == ("DestinationRuleList", "networking.istio.io/v1")
    assert [item["metadata"]["name"] for item in found["items"]] == ["a", "b", "c"]
    assert [item["metadata"]["name"] for item in (await api.get(f"{RULES}?labelSelector=app%3Dx"))["items"]] == ["b"]
    assert [item["metadata"]["name"] for item in (await api.get(f"{RULES}?fieldSelector=metadata.name%3Da"))["items"]] == ["a"]
    await api.get(f"{RULES}?fieldSelector=spec.host%3Da", code=400)
    await api.get(f"{RULES}?labelSelector=%3D%3D", code=400)


async def test_a_list_in_pages_misses_nothing(api: Api) -> None:
    """Pages carry the revision of the first, a token for the next, and what remains."""
    for number in range(5):
        await api.create(rule(f"r{number}"))
    first = await api.get(f"{RULES}?limit=2")
    assert first["metadata"]["remainingItemCount"] == 3
    await api.create(rule("r9"))
    names, page = [item["metadata"]["name"] for item in first["items"]], first
    while token := page["metadata"].get("continue"):
        page = await api.get(f"{RULES}?limit=2&continue={token}")
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names += [item["metadata"]["name"] for item in page["items"]]
    assert names == ["r0", "r1", "r2", "r3", "r4", "r9"]
    await api.get(f"{RULES}?continue=nonsense", code=400)


async def test_a_list_of_another_revision(api: Api) -> None:
    """A past state is gone and a future one is a timeout, as in Kubernetes; `not older than` is what there is."""
    await api.create(rule())
    assert (await api.get(f"{RULES}?resourceVersion=0"))["items"]
    assert (await api.get(f"{RULES}?resourceVersion=1"))["items"]
    await api.get(f"{RULES}?resourceVersion=1&resourceVersionMatch=Exact", code=410)
    refused = await api.get(f"{RULES}?resourceVersion=99", code=504)
    assert refused["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    await api.get(f"{RULES}?resourceVersion=x", code=400)


async def test_a_delete_says_what_went(api: Api) -> None:
    """The answer to a delete is a Status with the uid of what is gone; preconditions are kept."""
    made = await api.create(rule())
    await api.ask("DELETE", f"{RULES}/reviews", {"preconditions": {"uid": "another"}}, code=409)
    await api.ask("DELETE", f"{RULES}/reviews", {"preconditions": {"resourceVersion": "1"}}, code=409)
    done = await api.ask("DELETE", f"{RULES}/reviews", {"propagationPolicy": "Background"})
    assert done["details"]["uid"] == made["metadata"]["uid"]
    await api.get(f"{RULES}/reviews", code=404)
    await api.ask("DELETE", f"{RULES}/reviews", code=404)


async def test_a_finalizer_holds_an_object(api: Api) -> None:
    """A deleted object with finalizers stays, marked, until the last of them is removed."""
    await api.create(rule(finalizers=["example.com/a"]))
    held = await api.ask("DELETE", f"{RULES}/reviews")
    assert held["metadata"]["deletionTimestamp"]
    assert (await api.get(f"{RULES}/reviews"))["metadata"]["finalizers"]
    await api.patch(f"{RULES}/reviews", {"metadata": {"finalizers": None}})
    await api.get(f"{RULES}/reviews", code=404)


async def test_a_collection_is_deleted_by_labels(api: Api) -> None:
    """deletecollection deletes what its selectors match."""
    for name, labels in (("a", {"app": "x"}), ("b", {"app": "x"}), ("c", {})):
        await api.create(rule(name, labels=labels))
    gone = await api.ask("DELETE", f"{RULES}?labelSelector=app%3Dx")
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "b"]
    assert [item["metadata"]["name"] for item in (await api.get(RULES))["items"]] == ["c"]


async def test_a_namespace_goes_with_all_that_is_in_it(api: Api) -> None:
    """Deleting a namespace deletes its objects in the same transaction; the first namespaces stay."""
    await api.create({"metadata": {"name": "shop"}}, "/api/v1/namespaces")
    await api.create(rule(), RULES.replace("default", "shop"))
    await api.create(service(), SERVICES.replace("default", "shop"))
    await api.ask("DELETE", "/api/v1/namespaces/shop")
    assert not (await api.get("/apis/networking.istio.io/v1/destinationrules"))["items"]
    assert (await api.ask("DELETE", "/api/v1/namespaces/default", code=403))["reason"] == "Forbidden"


async def test_unserved_kinds_say_what_to_use(api: Api) -> None:
    """`kubectl get pods` is answered with the command of weft that lists processes."""
    for path in ("/api/v1/namespaces/default/pods", "/api/v1/pods", "/apis/apps/v1/deployments"):
        assert "use weft ps" in (await api.get(path, code=405))["message"]
    refused = await api.get("/api/v1/namespaces/default/events", code=404)
    assert refused["message"] == "the server could not find the requested resource"


async def test_a_body_has_a_size(api: Api) -> None:
    """A larger body is refused with 413, whether its length is said or not."""
    large = rule(annotations={"a": "x" * 100_000})
    assert (await api.create(large, code=413))["reason"] == "RequestEntityTooLarge"

    async def pieces() -> Any:
        for _ in range(11):
            yield b" " * 10_000

    answer = await api.http.post(RULES, content=pieces())
    assert answer.status_code == 413


async def test_a_broken_body_is_a_bad_request(api: Api) -> None:
    """What is not JSON, nor YAML that says so, is refused."""
    for content, media_type in ((b"{", "application/json"), (b"a: [", "application/yaml"), (b"\xff", "application/json")):
        answer = await api.http.post(RULES, content=content, headers={"content-type": media_type})
        assert answer.status_code == 400, answer.text
    yaml = b"metadata: {name: reviews}\nspec: {host: reviews}\n"
    answer = await api.http.post(RULES, content=yaml, headers={"content-type": "application/yaml"})
    assert answer.status_code == 201
    await api.ask("DELETE", f"{RULES}/reviews", [], code=400)


async def test_tables_are_for_who_asks(api: Api) -> None:
    """The Accept header decides between objects and a Table; what is not served is 406."""
    await api.create(rule())
    asked = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    found = await api.get(RULES, accept=asked)
    assert found["kind"] == "Table"
    assert found["rows"][0]["cells"][:2] == ["reviews", "reviews"]
    assert (await api.get(f"{RULES}/reviews", accept=asked))["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    await api.get(RULES, accept="text/html", code=406)


async def test_live_and_ready(api: Api) -> None:
    """Health paths answer plain text, /version a version of Kubernetes with weft's in it."""
    for path in ("/healthz", "/livez", "/readyz"):
        assert (await api.http.get(path)).text == "ok"
    assert "+weft." in (await api.get("/version"))["gitVersion"]


async def test_what_a_secret_says_in_plain_text_becomes_its_data(api: Api) -> None:
    """`stringData` is folded into `data`, over what stands there, and is never read back; said again it changes nothing."""
    path = "/api/v1/namespaces/default/secrets"
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "default"},
        "data": {"one": "MQ==", "two": "Mg=="}, "stringData": {"two": "zwei", "three": "drei"},
    }  # fmt: skip
    made = await api.create(secret, path)
    assert made["data"] == {"one": "MQ==", "two": "endlaQ==", "three": "ZHJlaQ=="} and "stringData" not in made
    again = await api.ask("PUT", f"{path}/key", secret)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    patched = await api.patch(f"{path}/key", {"stringData": {"one": "eins"}})
    assert patched["data"]["one"] == "ZWlucw==" and "stringData" not in patched
    refused = await api.create({**secret, "metadata": {"name": "other"}, "stringData": {"x": 1}}, path, code=422)
    assert refused["details"]["causes"][0]["field"] == "stringData.x"
