"""Server-side apply: a conversation of managers about one object."""

import json
from itertools import pairwise
from typing import Any

from .conftest import RULES, SERVICES, Api, rule, service

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways"


async def apply(api: Api, body: dict[str, Any], manager: str, path: str = RULES, *, code: int = 200, force: bool = False) -> Any:
    """PATCH with an apply patch."""
    place = f"{path}/{body['metadata']['name']}?fieldManager={manager}" + ("&force=true" if force else "")
    return await api.ask("PATCH", place, body, code=code, content_type="application/apply-patch+yaml")


def managers(body: Any) -> dict[str, Any]:
    """The fields of each manager, by `manager/operation`."""
    return {f"{each['manager']}/{each['operation']}": each["fieldsV1"] for each in body["metadata"].get("managedFields", ())}


async def test_an_applied_object_is_made_and_owned(api: Api) -> None:
    """The first apply makes the object, and its manager owns what it said; the second changes nothing."""
    made = await apply(api, rule(), "argocd-controller", code=201)
    assert managers(made) == {"argocd-controller/Apply": {"f:spec": {"f:host": {}}}}
    assert await apply(api, rule(), "argocd-controller") == made


async def test_a_field_of_another_manager_is_a_conflict(api: Api) -> None:
    """The refusal names manager and field as Kubernetes does, and nothing changes; with force the field changes hands."""
    await apply(api, rule(), "one", code=201)
    refused = await apply(api, rule(host="ratings"), "two", code=409)
    assert refused["message"] == 'Apply failed with 1 conflict: conflict with "one": .spec.host'
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".spec.host"}
    assert (refused["reason"], refused["details"]["causes"]) == ("Conflict", [cause])
    assert (await api.get(f"{RULES}/reviews"))["spec"]["host"] == "reviews"
    taken = await apply(api, rule(host="ratings"), "two", force=True)
    assert taken["spec"]["host"] == "ratings"
    assert managers(taken) == {"two/Apply": {"f:spec": {"f:host": {}}}}


async def test_several_conflicts_are_listed(api: Api) -> None:
    """Each manager is named once, with all its fields beneath, and an updater with its version and time."""
    made = await api.create(rule(labels={"tier": "front"}), f"{RULES}?fieldManager=hand")
    time = made["metadata"]["managedFields"][0]["time"]
    refused = await apply(api, rule(host="ratings", labels={"tier": "back"}), "two", code=409)
    who = f'"hand" using networking.istio.io/v1 at {time}'
    listed = f"conflicts with {who}:\n- .metadata.labels.tier\n- .spec.host"
    assert refused["message"] == f"Apply failed with 2 conflicts: {listed}"


async def test_equal_values_are_shared(api: Api) -> None:
    """Two managers that say the same own it together, and it goes when neither says it any more."""
    await apply(api, rule(labels={"a": "1"}), "one", code=201)
    both = await apply(api, rule(labels={"a": "1"}), "two")
    assert managers(both)["one/Apply"] == managers(both)["two/Apply"]
    left = await apply(api, rule(), "one")
    assert left["metadata"]["labels"] == {"a": "1"}
    assert "labels" not in (await apply(api, rule(), "two"))["metadata"]


async def test_a_field_that_is_no_longer_applied_goes(api: Api) -> None:
    """What one manager stops saying is removed; what another one set stays."""
    policy = {"host": "reviews", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}, "exportTo": ["*"]}
    await apply(api, {**rule(), "spec": policy}, "one", code=201)
    await api.patch(f"{RULES}/reviews?fieldManager=hand", {"metadata": {"labels": {"by": "hand"}}})
    after = await apply(api, rule(), "one")
    assert after["spec"] == {"host": "reviews"}
    assert after["metadata"]["labels"] == {"by": "hand"}
    assert after["metadata"]["generation"] == 2


async def test_ports_of_a_service_merge_by_port_and_protocol(api: Api) -> None:
    """Two managers each have a port of one Service; each removes its own alone. The order stays as it was."""
    await apply(api, service("reviews", 80), "one", SERVICES, code=201)
    both = await apply(api, service("reviews", 90), "two", SERVICES)
    assert sorted(port["port"] for port in both["spec"]["ports"]) == [80, 90]
    key = 'k:{"port":90,"protocol":"TCP"}'
    assert managers(both)["two/Apply"] == {"f:spec": {"f:ports": {key: {".": {}, "f:name": {}, "f:port": {}}}}}
    again = await apply(api, service("reviews", 80), "one", SERVICES)
    assert again == both
    named = {**service("reviews", 90), "spec": {"ports": [{"name": "grpc", "port": 90}]}}
    refused = await apply(api, named, "one", SERVICES, code=409)
    assert refused["details"]["causes"][0]["field"] == '.spec.ports[port=90,protocol="TCP"].name'
    moved = await apply(api, service("reviews", 91), "two", SERVICES)
    assert sorted(port["port"] for port in moved["spec"]["ports"]) == [80, 91]


async def test_listeners_of_a_gateway_merge_by_name(api: Api) -> None:
    """A second manager adds a listener to a Gateway of the Gateway API, and the first keeps its own."""

    def gateway(*names: str) -> dict[str, Any]:
        listeners = [{"name": name, "port": 8000 + len(name), "protocol": "HTTP"} for name in names]
        spec = {"gatewayClassName": "weft", "listeners": listeners}
        return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "g"}, "spec": spec}

    await apply(api, gateway("a"), "one", GATEWAYS, code=201)
    both = await apply(api, gateway("bb"), "two", GATEWAYS)
    assert {each["name"] for each in both["spec"]["listeners"]} == {"a", "bb"}
    left = await apply(api, gateway("ccc"), "one", GATEWAYS)
    assert {each["name"] for each in left["spec"]["listeners"]} == {"bb", "ccc"}


async def test_other_lists_are_one_value(api: Api) -> None:
    """A list that is no map belongs to one manager whole."""
    subsets = {"host": "reviews", "subsets": [{"name": "v1"}]}
    made = await apply(api, {**rule(), "spec": subsets}, "one", code=201)
    assert managers(made)["one/Apply"]["f:spec"] == {"f:host": {}, "f:subsets": {}}
    more = {**rule(), "spec": {"host": "reviews", "subsets": [{"name": "v2"}]}}
    assert (await apply(api, more, "two", code=409))["details"]["causes"][0]["field"] == ".spec.subsets"


async def test_updates_take_what_they_change(api: Api) -> None:
    """A PUT or a patch owns what it changed, its fields leave the applier, and a new apply of them conflicts."""
    await apply(api, rule(), "one", code=201)
    after = await api.patch(f"{RULES}/reviews?fieldManager=hand", {"spec": {"host": "ratings"}})
    assert managers(after) == {"hand/Update": {"f:spec": {"f:host": {}}}}
    assert "conflict with" in (await apply(api, rule(), "one", code=409))["message"]
    put = await api.ask("PUT", f"{RULES}/reviews?fieldManager=other", after)
    assert put["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


async def test_an_object_of_unknown_origin_was_set_by_somebody(api: Api) -> None:
    """Where nothing is known of managers, what is there belongs to before-first-apply."""
    await api.create(rule())
    await api.patch(f"{RULES}/reviews", [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}], "json-patch")
    assert "managedFields" not in (await api.get(f"{RULES}/reviews"))["metadata"]
    refused = await apply(api, rule(host="ratings"), "one", code=409)
    assert 'conflict with "before-first-apply" using' in refused["message"]


async def test_kubectl_takes_over_what_it_applied_on_the_clients_side(api: Api) -> None:
    """An object with kubectl's annotation is applied by the manager kubectl without force, another manager conflicts."""
    made = rule(annotations={LAST_APPLIED: json.dumps(rule())})
    await api.create(made, f"{RULES}?fieldManager=kubectl-client-side-apply")
    await apply(api, rule(host="ratings"), "flux", code=409)
    after = await apply(api, rule(host="ratings"), "kubectl")
    assert '"host":"ratings"' in after["metadata"]["annotations"][LAST_APPLIED]


async def test_a_status_is_applied_at_its_own_path(api: Api) -> None:
    """What is applied there changes the status alone, and merges with what stands there."""
    await apply(api, rule(), "one", code=201)
    path = f"{RULES}/reviews/status?fieldManager=controller"
    form = "application/apply-patch+yaml"
    await api.ask("PATCH", path, {**rule(host="other"), "status": {"a": {"x": 1}}}, content_type=form)
    after = await api.ask("PATCH", path, {**rule(), "status": {"a": {"y": 2}}}, content_type=form)
    assert (after["status"], after["spec"]["host"]) == ({"a": {"x": 1, "y": 2}}, "reviews")


async def test_a_dry_run_says_and_writes_nothing(api: Api) -> None:
    """A server dry run answers with the object as it would be."""
    await apply(api, rule(), "one", code=201)
    told = await api.ask(
        "PATCH", f"{RULES}/reviews?fieldManager=one&dryRun=All", rule(host="a"), content_type="application/apply-patch+yaml"
    )
    assert told["spec"]["host"] == "a"
    assert (await api.get(f"{RULES}/reviews"))["spec"]["host"] == "reviews"


async def test_what_an_apply_must_say(api: Api) -> None:
    """A field manager, an apiVersion, and no managed fields; a broken YAML or one of aliases within aliases is refused."""
    path = f"{RULES}/reviews"
    form = {"content_type": "application/apply-patch+yaml"}
    refused = await api.ask("PATCH", path, rule(), code=422, **form)
    assert "fieldManager: Required value" in refused["message"]
    await apply(api, {"metadata": {"name": "reviews"}}, "one", code=400)
    refused = await apply(api, rule(managedFields=[{"manager": "x"}]), "one", code=400)
    assert refused["message"] == "metadata.managedFields must be nil"
    nested = "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefgh"))
    bomb = f"a: &a [x, x, x, x, x, x, x, x, x]\n{nested}"
    for text, word in (("a: [", "cannot be read"), (bomb, "cannot be read")):
        answer = await api.http.patch(f"{path}?fieldManager=x", content=text, headers={"content-type": form["content_type"]})
        assert (answer.status_code, word in answer.text) == (400, True), answer.text


async def test_managed_fields_that_are_none_are_refused(api: Api) -> None:
    """A client that writes managed fields of another shape is told so."""
    await api.create(rule())
    body = [{"op": "replace", "path": "/metadata/managedFields", "value": [{"manager": 1}]}]
    assert "metadata.managedFields" in (await api.patch(f"{RULES}/reviews", body, "json-patch", code=400))["message"]


async def test_many_updaters_become_one(api: Api) -> None:
    """Of more than ten managers that updated an object the oldest are kept together."""
    await api.create(rule())
    for number in range(14):
        body = {"metadata": {"labels": {f"l{number}": "x"}}}
        after = await api.patch(f"{RULES}/reviews?fieldManager=m{number}", body)
    found = managers(after)
    assert len(found) == 10
    assert "f:l1" in found["ancient-changes/Update"]["f:metadata"]["f:labels"]
