"""What is bad all the same is taken out alone: the rest of the mesh, and the version before it, go on."""

from typing import Any

from controlplane.judged import BAD_ROUTE, ENVOYS_WORDS, HOST, TO_REVIEWS, destination_rule, judged, service, virtual_service
from weft.compile.snapshot import Cache, snapshot
from weft.controlplane.quarantine import LAST_GOOD, LEFT_OUT, refused_by_proxies
from weft.controlplane.touched import sidecar
from weft.envoy.names import HTTP_PROXY_ROUTES
from weft.envoy.types import CLUSTER, EnvoyResource
from weft.ref import Ref
from weft.xds.rejection import Rejection
from weft.xds.server import ProxyStatus
from weft.xds.status import SessionStatus, Sync, TypeStatus

FULL = f"{HOST}.default.svc.cluster.local"


def host_of(run: Any) -> EnvoyResource:
    """What a caller in the mesh would be told of reviews."""
    return snapshot(run.reconciler.translation.mesh, sidecar("default", ()), Cache()).virtual_host(
        HTTP_PROXY_ROUTES, f"{HOST}:9080"
    )


async def test_what_is_stored_and_bad_is_left_out_alone() -> None:
    """Its status says why, at the rule; the other rules are in effect."""
    bad = virtual_service({**TO_REVIEWS, "match": [{"uri": {"exact": "/a"}}]}, BAD_ROUTE)
    other = {**virtual_service(TO_REVIEWS), "metadata": {"name": "other", "namespace": "default"}}
    other = {**other, "spec": {**other["spec"], "hosts": ["other"]}}
    async with judged(service(), service("other"), bad, other) as run:
        await run.quarantine.sweep()
        assert set(run.reconciler.translation.mesh.routes) == {"other.default.svc.cluster.local"}
        (finding,) = run.said(bad)
        assert (finding.code, finding.ref.field, finding.hint) == ("envoy-refuses", "spec.http[1]", LEFT_OUT)
        assert ENVOYS_WORDS in finding.message
        assert not run.said(other)
        assert [change.hosts for change in run.changes] == [{FULL}]


async def test_the_version_before_stays_in_effect() -> None:
    """A write that came past the door is put back for the whole mesh when the first proxy would be told it."""
    async with judged(service(), virtual_service({**TO_REVIEWS, "timeout": "7s"})) as run:
        good = host_of(run)
        await run.write(virtual_service(BAD_ROUTE))
        told = host_of(run)
        verdict = run.quarantine.judge("default/web-0", [told])
        assert verdict is not None
        assert await verdict == {told.name: ENVOYS_WORDS}
        assert host_of(run).body == good.body
        (finding,) = run.said(virtual_service())
        assert finding.hint == LAST_GOOD


async def test_a_corrected_resource_leaves_the_quarantine() -> None:
    """It is in effect, and nothing is said of it any more."""
    async with judged(service(), virtual_service(BAD_ROUTE)) as run:
        await run.quarantine.sweep()
        assert run.reconciler.quarantined == 1
        await run.write(virtual_service({**TO_REVIEWS, "timeout": "7s"}))
        assert not run.reconciler.quarantined
        assert not run.said(virtual_service())
        assert FULL in run.reconciler.translation.mesh.routes


async def test_what_is_good_costs_no_wait() -> None:
    """After it was admitted it is told at once; what no operator wrote is never asked about."""
    async with judged(service()) as run:
        assert run.quarantine.judge("default/web-0", [host_of(run)]) is None
        good = virtual_service({**TO_REVIEWS, "timeout": "7s"})
        assert not await run.errors(good)
        await run.write(good)
        assert run.quarantine.judge("default/web-0", [host_of(run)]) is None


async def test_of_two_the_guilty_goes() -> None:
    """The rule, not the policy of the same host, though both made the virtual host."""
    policy = destination_rule({"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}})
    async with judged(service(), policy, virtual_service(BAD_ROUTE)) as run:
        await run.quarantine.sweep()
        assert run.said(virtual_service())
        assert not run.said(policy)
        assert FULL in run.reconciler.translation.mesh.policies


async def test_a_number_that_no_message_holds_is_left_out() -> None:
    """It cannot even be compiled, and would end every stream that asks for it."""
    bad = destination_rule({"connectionPool": {"tcp": {"tcpKeepalive": {"time": "2562047h"}}}})
    async with judged(service(), bad) as run:
        await run.quarantine.sweep()
        assert run.said(bad)
        assert FULL not in run.reconciler.translation.mesh.policies


def test_what_a_proxy_refuses_is_said_of_what_it_was_made_from() -> None:
    """Of the operator's resources, not of the service, and not of what was never told to the proxy."""
    rule, service_ref = Ref("networking.istio.io", "DestinationRule", "default", "x"), Ref("", "Service", "default", "x")
    refused = Rejection("default/web-0", CLUSTER, "outbound|80||x", "1", "no", (rule, service_ref))
    withheld = Rejection("default/web-0", CLUSTER, "y", "1", "no", (Ref("", "VirtualService", "default", "y"),), withheld=True)
    status = TypeStatus(Sync.NACKED, 0, None, (refused, withheld))
    session = SessionStatus("default/web-0", {CLUSTER: status}, 0, 0, 0, 0)
    found = refused_by_proxies([ProxyStatus("default/web-0", "", 0.0, session)])
    assert set(found) == {rule}
    assert found[rule][0].message == "the proxy default/web-0 refused the cluster outbound|80||x: no"
