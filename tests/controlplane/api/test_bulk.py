"""Many objects in one request: all of them, or none."""

from typing import Any

from .conftest import RULES, Api, rule, service

APPLY = "/weft/v1/apply"


async def apply(api: Api, *objects: Any, code: int = 200, **more: Any) -> Any:
    """Applies the objects."""
    return await api.ask("POST", APPLY, {"objects": objects, **more}, code=code)


async def test_all_are_written_in_one_transaction(api: Api) -> None:
    """The answer says for each object whether it was created, configured or left as it was."""
    done = await apply(api, rule(), service())
    assert [(each["name"], each["kind"], each["outcome"]) for each in done["results"]] == [
        ("reviews", "DestinationRule", "created"),
        ("reviews", "Service", "created"),
    ]
    done = await apply(api, rule(), service("reviews", 81))
    assert [each["outcome"] for each in done["results"]] == ["unchanged", "configured"]


async def test_one_wrong_object_stops_all(api: Api) -> None:
    """Nothing is written when anything is wrong, and each finding names its object."""
    before = await api.store.revision()
    wrong = {**rule("b"), "spec": {"hots": 1}}
    done = await apply(api, rule(), wrong, code=422)
    assert not done["applied"]
    assert {(each["object"], each["field"]) for each in done["findings"] if each["severity"] == "error"} >= {(1, "spec.hots")}
    assert await api.store.revision() == before


async def test_what_cannot_be_placed_is_a_finding(api: Api) -> None:
    """An unknown kind, a missing or wrong name and a missing namespace are findings, not crashes."""
    bad: list[Any] = [
        {"apiVersion": "v9", "kind": "Foo", "metadata": {"name": "a"}},
        {**rule(), "metadata": {}},
        {**rule(), "metadata": []},
        rule("Upper"),
        {},
    ]
    done = await apply(api, *bad, code=422)
    assert [each["object"] for each in done["findings"]] == [0, 1, 2, 3, 4]
    done = await apply(api, rule(namespace="nowhere"), code=422)
    assert [(each["code"], each["field"]) for each in done["findings"]] == [("missing-namespace", "metadata.namespace")]
    done = await apply(api, {**rule(), "metadata": {"name": "a", "annotations": [1], "labels": 3}}, code=422)
    assert {each["field"] for each in done["findings"]} == {"metadata.annotations", "metadata.labels"}


async def test_a_namespace_and_what_is_in_it_may_come_together(api: Api) -> None:
    """An object may go into a namespace of the same request."""
    await apply(api, rule(namespace="shop"), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    assert await api.get(f"{RULES.replace('default', 'shop')}/reviews")


async def test_admission_sees_all_together(api: Api) -> None:
    """What only two objects together make wrong is found."""
    await apply(api, rule("a", "shared"))
    done = await apply(api, rule("b", "shared"), rule("c", "shared"), code=422)
    assert done["findings"][0]["message"] == "two at once"


async def test_findings_can_be_made_to_refuse(api: Api) -> None:
    """A client names the findings that it does not accept although they are no errors."""
    done = await apply(api, rule(host="unheard-of"), refuse=["unknown-host"], code=422)
    assert (done["findings"][0]["code"], done["findings"][0]["object"]) == ("unknown-host", 0)
    assert (await apply(api, rule(host="unheard-of")))["applied"]


async def test_the_last_of_two_wins(api: Api) -> None:
    """An object that stands there twice is applied once, as it stands last, with a warning."""
    done = await apply(api, rule(host="a"), rule(host="b"))
    assert [(each["code"], each["severity"], each["object"]) for each in done["findings"]] == [("duplicate", "warning", 0)]
    assert (await api.get(f"{RULES}/reviews"))["spec"]["host"] == "b"


async def test_a_dry_run_writes_nothing(api: Api) -> None:
    """The answer is that of the real thing."""
    done = await apply(api, rule(), dryRun=True)
    assert done["results"][0]["outcome"] == "created"
    await api.get(f"{RULES}/reviews", code=404)


async def test_what_is_no_longer_wanted_goes(api: Api) -> None:
    """A field that was applied and is gone is removed; a field that somebody else set stays."""
    more = {**rule(), "spec": {"host": "reviews", "exportTo": ["."]}}
    await apply(api, more)
    await api.patch(f"{RULES}/reviews", {"spec": {"trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}})
    await apply(api, rule())
    found = await api.get(f"{RULES}/reviews")
    assert found["spec"] == {"host": "reviews", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}


async def test_a_broken_request_is_refused(api: Api) -> None:
    """What is no request to apply is a bad request that says what is missing."""
    refused = await api.ask("POST", APPLY, {"object": []}, code=400)
    assert "objects" in refused["message"]
