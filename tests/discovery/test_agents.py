"""The registered workloads, as a value."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from weft.discovery.agents import Agents, Report, adopted
from weft.discovery.workload_entry import NODE_LABEL, PORTS, TLS_MODE_LABEL, key
from weft.model.endpoint import Health, locality
from weft.model.workload import Address, InboundPort, Proxy, Workload
from weft.store.store import Delete, Put

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def proxy(name: str, namespace: str = "default", health: Health = Health.HEALTHY) -> Proxy:
    """A sidecar with one port."""
    port = InboundPort("http", 9080, "http", Address("127.0.0.1", 20001), Address("127.0.0.1", 30001))
    workload = Workload(namespace, name, "reviews", (("app", "reviews"),), locality("eu/a/1"), health=health)
    return Proxy(workload, inbound=(port,))


def test_a_new_workload_becomes_an_entry_that_must_not_exist_yet() -> None:
    """The entry has the sidecar's address and ports, the labels of node and mTLS, the account and the health."""
    step = Agents().report("n", Report((proxy("r-0"),)), NOW)
    (put,) = step.writes
    assert isinstance(put, Put) and put.key == key("default/r-0") and put.expected == 0
    labels = {"app": "reviews", NODE_LABEL: "n", TLS_MODE_LABEL: "istio"}
    assert put.body["metadata"]["labels"] == labels and put.body["metadata"]["creationTimestamp"] == NOW
    assert put.body["spec"] == {
        "address": "127.0.0.1", "ports": {"http": 20001}, "labels": labels, "serviceAccount": "reviews", "locality": "eu/a/1",
    }  # fmt: skip
    assert put.body["metadata"]["annotations"] == {PORTS: '{"http":[9080,30001]}'}
    (healthy,) = put.body["status"]["conditions"]
    assert (healthy["type"], healthy["status"], healthy["lastTransitionTime"]) == ("Healthy", "True", NOW)
    assert step.changed == {"default/r-0"} and step.agents.node_of("default/r-0") == "n"


def test_the_same_report_again_writes_nothing_and_changes_nobody() -> None:
    """Only changes are written."""
    first = Agents().report("n", Report((proxy("r-0"),), complete=True), NOW)
    again = first.agents.report("n", Report((proxy("r-0"),), complete=True), LATER)
    assert not again.writes and not again.changed and again.agents == first.agents


def test_a_change_of_health_is_a_condition_with_a_new_time_and_keeps_the_identity_of_the_entry() -> None:
    """uid and creation time of an entry stay; a condition that did not change keeps its time."""
    first = Agents().report("n", Report((proxy("r-0"),)), NOW)
    second = first.agents.report("n", Report((proxy("r-0", health=Health.DRAINING),)), LATER)
    (old,), (new,) = first.writes, second.writes
    assert isinstance(old, Put) and isinstance(new, Put) and new.expected is None
    assert new.body["metadata"] == old.body["metadata"]
    times = {one["type"]: (one["status"], one["lastTransitionTime"]) for one in new.body["status"]["conditions"]}
    assert times == {"Healthy": ("True", NOW), "Draining": ("True", LATER)}


def test_what_only_the_proxy_needs_to_know_is_no_write() -> None:
    """The version of its Envoy changes the proxy and not the entry."""
    first = Agents().report("n", Report((proxy("r-0"),)), NOW)
    moved = replace(proxy("r-0"), envoy_version="1.40.0")
    second = first.agents.report("n", Report((moved,)), LATER)
    assert not second.writes and second.changed == {"default/r-0"} and second.agents.proxy("default/r-0") == moved


def test_a_complete_report_removes_what_it_does_not_have() -> None:
    """The first report of a stream is the whole truth about its node, and about no other."""
    agents = Agents().report("n", Report((proxy("r-0"), proxy("r-1"))), NOW).agents
    agents = agents.report("m", Report((proxy("r-2"),)), NOW).agents
    step = agents.report("n", Report((proxy("r-1"),), complete=True), LATER)
    assert step.writes == (Delete(key("default/r-0")),) and step.changed == {"default/r-0"}
    assert set(step.agents.proxies) == {"default/r-1", "default/r-2"}


def test_a_name_belongs_to_the_node_that_has_it() -> None:
    """Another node can neither take a workload over nor remove it."""
    agents = Agents().report("n", Report((proxy("r-0"),)), NOW).agents
    step = agents.report("m", Report((proxy("r-0"), proxy("r-1")), ("default/r-0",)), LATER)
    assert step.refused == {"default/r-0": "default/r-0 is registered by the node n"}
    assert step.agents.node_of("default/r-0") == "n" and step.agents.node_of("default/r-1") == "m"


def test_entries_found_at_the_start_are_not_written_again_when_their_node_reports_them() -> None:
    """A restart of the control plane changes no entry."""
    (put,) = Agents().report("n", Report((proxy("r-0"),)), NOW).writes
    assert isinstance(put, Put)
    stored = {**put.body, "metadata": {**put.body["metadata"], "resourceVersion": "7"}}
    found = adopted([stored, {"metadata": {"name": "x", "namespace": "default"}}])
    assert found.of("n") == {"default/r-0"} and not found.proxies
    step = found.report("n", Report((proxy("r-0"),), complete=True), LATER)
    assert not step.writes and step.changed == {"default/r-0"}


def test_the_end_of_a_lease_deletes_everything_of_the_node() -> None:
    """And nothing of the others."""
    agents = Agents().report("n", Report((proxy("r-0"), proxy("r-1"))), NOW).agents
    agents = agents.report("m", Report((proxy("r-2"),)), NOW).agents
    step = agents.without(["n"])
    assert step.writes == (Delete(key("default/r-0")), Delete(key("default/r-1")))
    assert set(step.agents.registrations) == {"default/r-2"}


_names = st.sampled_from(["a", "b", "c", "d"])
_proxies = st.builds(lambda name, health: proxy(name, health=health), _names, st.sampled_from(Health))
_reports = st.builds(
    Report,
    st.lists(_proxies, max_size=3).map(tuple),
    st.lists(_names.map("default/{}".format), max_size=2).map(tuple),
    st.booleans(),
)


@given(st.lists(st.tuples(st.sampled_from(["n", "m"]), st.one_of(_reports, st.none())), max_size=12))
def test_the_writes_of_all_steps_lead_to_exactly_the_entries_of_the_last_state(steps: list[tuple[str, Report | None]]) -> None:
    """The store and the state cannot differ, whatever nodes report."""
    agents, entries = Agents(), {}
    for node, report in steps:
        step = agents.report(node, report, NOW) if report else agents.without([node])
        for write in step.writes:
            match write:
                case Put():
                    assert write.expected != 0 or write.key not in entries
                    entries[write.key] = write.body
                case Delete():
                    del entries[write.key]
        agents = step.agents
    assert entries == {key(name): one.entry for name, one in agents.registrations.items()}
