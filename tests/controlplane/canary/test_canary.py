"""A real Envoy says what it would refuse, and nothing else is lost by asking it."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import product
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from weft.compile.inbound import inbound
from weft.compile.metadata import origin
from weft.compile.scope.inputs import InboundListener, MeshTls
from weft.compile.tls import mesh_upstream
from weft.controlplane.canary.canary import Canary, Refusal
from weft.envoy.binary import binary
from weft.envoy.types import CLUSTER, LISTENER, ROUTE_CONFIGURATION, VIRTUAL_HOST, EnvoyResource, envoy_resource
from weft.model.security import MtlsMode
from weft.model.service import Protocol
from weft.model.workload import Address
from weft.ref import Ref

NO_PRIME: dict[str, Any] = {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": {"value": 10}}}
NOT_A_PRIME = "The table size of maglev must be prime number"
GOOD = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
BAD = {**GOOD, "request_headers_to_add": [{"header": {"key": ":path", "value": "/"}}]}


def cluster(name: str, **said: Any) -> EnvoyResource:
    """A cluster whose endpoints nobody will ever tell."""
    eds = {"type": "EDS", "eds_cluster_config": {"eds_config": {"ads": {}}}, "connect_timeout": {"seconds": 1}}
    return envoy_resource(CLUSTER, name, Cluster(name=name, **eds, **said))


def virtual_host(name: str, *routes: dict[str, Any]) -> VirtualHost:
    """A virtual host of one domain."""
    return VirtualHost(name=name, domains=[name], routes=list(routes))


def on_demand(name: str, *routes: dict[str, Any]) -> EnvoyResource:
    """A virtual host as a resource of its own."""
    return envoy_resource(VIRTUAL_HOST, name, virtual_host(name, *routes))


@asynccontextmanager
async def running() -> AsyncIterator[Canary]:
    """A canary that runs."""
    canary = Canary(binary())
    task = asyncio.create_task(canary.run())
    try:
        yield canary
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def told(refusals: tuple[Refusal, ...]) -> dict[str, str]:
    """Names and words."""
    return {each.resource.name: each.words for each in refusals}


async def test_the_one_bad_cluster_among_many_is_found() -> None:
    """In Envoy's own words, though what it refuses keeps it silent until it is taken away."""
    async with running() as canary:
        many = [cluster(f"c{number}", **(NO_PRIME if number == 50 else {})) for number in range(100)]
        assert told(await canary.judge(many)) == {"c50": NOT_A_PRIME}


async def test_equal_content_is_asked_once() -> None:
    """A verdict is kept by content, whatever the virtual host is called."""
    async with running() as canary:
        await asyncio.gather(canary.judge([on_demand("a", BAD)]), canary.judge([on_demand("b", BAD)]))
        asked = canary.questions
        assert told(await canary.judge([on_demand("c", BAD)])) == {"c": ":-prefixed or host headers may not be modified"}
        assert canary.questions == asked
        assert canary.is_known([on_demand("d", BAD)])


async def test_the_route_that_is_refused_is_named() -> None:
    """By what it was made from."""
    ref = Ref("networking.istio.io", "VirtualService", "default", "x", "spec.http[1]")
    async with running() as canary:
        bad = BAD | {"metadata": origin(ref)}
        (refusal,) = await canary.judge([on_demand("a", GOOD, bad)])
        assert refusal.field == str(ref)


async def test_routes_of_a_gateway_are_asked_one_by_one() -> None:
    """A change of one virtual host among many is a question about that one; the bad one is found."""
    async with running() as canary:
        hosts = [virtual_host(f"h{number}.example.com", GOOD | {"name": str(number)}) for number in range(50)]
        whole = envoy_resource(ROUTE_CONFIGURATION, "http.80", RouteConfiguration(name="http.80", virtual_hosts=hosts))
        assert not await canary.judge([whole])
        hosts[7].routes[0].direct_response.status = 999
        changed = envoy_resource(ROUTE_CONFIGURATION, "http.80", RouteConfiguration(name="http.80", virtual_hosts=hosts))
        (refusal,) = await canary.judge([changed])
        assert "Status: value must be inside range [200, 600)" in refusal.words


async def test_nothing_is_bound_and_no_secret_is_waited_for() -> None:
    """A listener on a port that is taken, and a cluster of the mesh's own mTLS, are judged at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = {"socket_address": {"address": "127.0.0.1", "port_value": taken.getsockname()[1]}}
        good = envoy_resource(LISTENER, "good", Listener(name="good", address=address, filter_chains=[{}]))
        unknown = {"filters": [{"name": "unknown"}]}
        bad = envoy_resource(LISTENER, "bad", Listener(name="bad", address=address, filter_chains=[unknown]))
        tls = mesh_upstream(MeshTls(("spiffe://cluster.local/ns/default/sa/x",), "cluster.local", "x"), http=True)
        async with running() as canary, asyncio.timeout(2):
            assert set(told(await canary.judge([good, bad, cluster("mtls", transport_socket=tls)]))) == {"bad"}


async def test_a_canary_that_dies_comes_back() -> None:
    """`kill -9` costs a fraction of a second, and no verdict."""
    async with running() as canary:
        assert not await canary.judge([cluster("a")])
        first = canary.pid
        os.kill(first, signal.SIGKILL)
        assert told(await canary.judge([cluster("b", **NO_PRIME)])) == {"b": NOT_A_PRIME}
        assert canary.pid not in (0, first)


async def test_it_starts_with_the_first_question_and_ends_with_us() -> None:
    """Who asks nothing runs nothing, and nothing stays behind."""
    async with running() as canary:
        assert not canary.pid
        await canary.judge([cluster("a")])
        pid = canary.pid
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        raise AssertionError("it runs")


async def test_without_a_resident_canary_the_validating_mode_is_asked() -> None:
    """The verdicts are the same, of clusters, listeners and routes."""
    canary = Canary(binary(), patience=0.01)  # and nobody runs it
    refusals = await canary.judge([cluster("a"), cluster("b", **NO_PRIME), on_demand("c", GOOD), on_demand("d", BAD)])
    assert told(refusals) == {"b": NOT_A_PRIME, "d": ":-prefixed or host headers may not be modified"}


async def test_without_an_envoy_nothing_is_refused() -> None:
    """Nor is anything remembered."""
    canary = Canary(None)
    assert not await canary.judge([cluster("a", **NO_PRIME)])
    assert not canary.is_known([cluster("a", **NO_PRIME)])


async def test_words_are_whole_though_envoy_cuts_them() -> None:
    """Before what is wrong with a message Envoy puts the message, and ends after 4 KiB: then the validating mode is asked."""
    header = {"header": {"key": "a" * 20_000, "value": "x"}}
    async with running() as canary:
        (refusal,) = await canary.judge([on_demand("a", {**GOOD, "request_headers_to_add": [header]})])
        assert refusal.words.startswith("Proto constraint validation failed")
        assert "Key: value length must be at most 16384 bytes" in refusal.words


async def test_every_way_to_be_called_is_taken() -> None:
    """A listener of a workload is asked without the clusters behind it, which only its own Envoy has."""
    ways = [
        inbound(InboundListener(number, Address("127.0.0.1", number), protocol, mode, ("cluster.local",)))
        for number, (protocol, mode) in enumerate(product((Protocol.HTTP, Protocol.TCP), MtlsMode), start=1)
    ]
    async with running() as canary:
        assert told(await canary.judge(ways)) == {}
