"""What a proxy gets: names, dependencies, sharing and determinism."""

import hashlib
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from meshes import REVIEWS, Location, endpoint, mesh, proxy, rule, rules, service, to

from weft.compile.snapshot import Cache, ProxySnapshot, snapshot
from weft.envoy.names import PASSTHROUGH
from weft.model.endpoint import Health
from weft.model.mesh import Mesh
from weft.model.route import Exact, Fault, Forward, HttpMatch, NamedMatch, Prefix
from weft.model.security import MtlsMode, PeerAuthentication
from weft.model.service import Protocol, ServicePort
from weft.model.traffic import PortPolicy, ServicePolicy, Subset, TrafficPolicy
from weft.model.workload import Proxy
from weft.ref import Ref

RATINGS = "ratings.default.svc.cluster.local"
HOST = f"http_proxy/{REVIEWS}"


def _shot(of: Mesh, by: Proxy | None = None, cache: Cache | None = None) -> ProxySnapshot:
    return snapshot(of, by or proxy(), cache or Cache())


def _virtual_host(of: Mesh, host: str = "reviews:9080", by: Proxy | None = None) -> VirtualHost:
    return VirtualHost.FromString(_shot(of, by).virtual_host("http_proxy", host).body)


def _cluster(of: Mesh, name: str, by: Proxy | None = None) -> Cluster:
    found = _shot(of, by).cluster(name)
    assert found
    return Cluster.FromString(found.body)


def _weights(of: Mesh) -> dict[str, int]:
    action = _virtual_host(of).routes[-1].route
    if action.cluster:
        return {action.cluster: 1}
    return {one.name: one.weight.value for one in action.weighted_clusters.clusters}


def test_all_spellings_share_one_virtual_host() -> None:
    """Every spelling with a port has one virtual host, named after the full name; without a port another."""
    shot = _shot(mesh(service()))
    names = {shot.virtual_host("http_proxy", host).name for host in ("reviews:9080", "reviews.default:9080", f"{REVIEWS}:9080")}
    assert names == {f"{HOST}:9080"}
    assert shot.virtual_host("http_proxy", "reviews").name == HOST


def test_an_unknown_host_has_the_name_it_will_have() -> None:
    """The 404 of an unknown host has the name and the domains that the service will have when it comes: it is replaced."""
    before, after = _shot(mesh()), _shot(mesh(service()))
    for host in ("reviews:9080", "reviews"):
        assert before.virtual_host("http_proxy", host).name == after.virtual_host("http_proxy", host).name
    assert not before.virtual_host("http_proxy", "reviews").origins
    assert REVIEWS in before.virtual_host("http_proxy", "reviews").hosts


def test_a_virtual_host_depends_on_every_host_it_names() -> None:
    """Destinations and their clusters are among what a virtual host depends on and sends to."""
    split = Forward((to(weight=3), to(RATINGS)))
    of = mesh(service(), service(RATINGS), routes={REVIEWS: (rules(REVIEWS, rule(action=split)),)})
    got = _shot(of).virtual_host("http_proxy", "reviews:9080")
    assert got.hosts >= {REVIEWS, RATINGS}
    assert got.clusters == (f"outbound|9080||{RATINGS}", f"outbound|9080||{REVIEWS}")
    assert {ref.kind for ref in got.origins} == {"Service", "VirtualService"}


def test_route_names_do_not_depend_on_the_place() -> None:
    """Reordering rules changes no route's name."""
    one, two = rule(HttpMatch(path=Prefix("/a")), at=0), rule(HttpMatch(path=Prefix("/b")), at=1)
    names = [
        {route.name for route in _virtual_host(mesh(service(), routes={REVIEWS: (rules(REVIEWS, *order),)})).routes}
        for order in ((one, two), (two, one))
    ]
    assert names[0] == names[1]
    assert len(names[0]) == 4  # CONNECT, the two rules, and the 404 when none matches


def test_a_route_says_where_it_comes_from() -> None:
    """The metadata of a route names the field of the operator's resource."""
    routes = _virtual_host(mesh(service(), routes={REVIEWS: (rules(REVIEWS, rule(at=7)),)})).routes
    assert routes[1].metadata.filter_metadata["weft"]["origin"] == "VirtualService default/x spec.http[7]"


def test_only_the_rules_for_the_caller_are_there() -> None:
    """Rules for other labels, namespaces, ports and gateways are left out."""
    others = (
        HttpMatch(source_labels=(("app", "x"),)),
        HttpMatch(source_namespace="x"),
        HttpMatch(port=1),
        HttpMatch(gateways=("x/y",)),
    )
    of = mesh(service(), routes={REVIEWS: (rules(REVIEWS, *(rule(one, name="other") for one in others), rule(name="mine")),)})
    assert [route.name for route in _virtual_host(of).routes] == ["connect", "default/x/mine", "default/x/mine"]
    labelled = proxy(labels=(("app", "x"),))
    assert [route.name for route in _virtual_host(of, by=labelled).routes] == ["connect", "default/x/other", "default/x/other"]


def test_proxies_alike_share_the_object() -> None:
    """Two proxies of a namespace, and two revisions that differ elsewhere, get the very same object."""
    cache = Cache()
    of = mesh(service(), endpoints={REVIEWS: (endpoint(),)})
    first = _shot(of, proxy("a"), cache).virtual_host("http_proxy", "reviews:9080")
    assert _shot(of, proxy("b"), cache).virtual_host("http_proxy", "reviews:9080") is first
    later = replace(of, services={**of.services, RATINGS: (service(RATINGS),)})
    assert _shot(later, proxy("c"), cache).virtual_host("http_proxy", "reviews:9080") is first
    assert _shot(later, proxy("a"), cache).listeners() is _shot(of, proxy("a"), cache).listeners()


def test_labels_separate_callers_only_where_they_matter() -> None:
    """With a rule for one label its bearer gets another virtual host than its neighbour, in the same mesh and cache."""
    marked = rule(HttpMatch(source_labels=(("app", "x"),)), name="marked")
    of = mesh(service(), routes={REVIEWS: (rules(REVIEWS, marked, rule(name="all")),)})
    cache = Cache()
    got = [
        _shot(of, proxy("p", labels=marks), cache).virtual_host("http_proxy", "reviews:9080")
        for marks in ((), (("app", "x"),), ())
    ]
    assert got[0] is got[2]
    assert got[0] is not got[1]


def test_a_virtual_host_says_how_long_it_holds_requests() -> None:
    """A delay and the timeout after it add up: for so long its clusters are needed when it was replaced."""
    slow = replace(rule(), fault=Fault(delay=5.0), timeout=10.0)
    of = mesh(service(), routes={REVIEWS: (rules(REVIEWS, slow),)})
    assert _shot(of).virtual_host("http_proxy", "reviews:9080").hold == 15.0
    assert _shot(mesh(service())).virtual_host("http_proxy", "reviews:9080").hold == 0.0


def test_the_cache_is_bounded() -> None:
    """However many hosts are asked for, the cache keeps no more than its size."""
    cache = Cache(size=10)
    shot = _shot(mesh(), cache=cache)
    for number in range(50):
        shot.virtual_host("http_proxy", f"host-{number}")
    assert cache.held == 10


def test_a_service_partly_in_the_mesh_is_two_clusters() -> None:
    """Endpoints with and without a sidecar are split by the weights of the healthy ones; either alone has everything."""
    meshed, bare = endpoint(weight=1), endpoint("old-0", mtls=False, weight=3)
    both = {f"outbound|9080||{REVIEWS}": 1, f"outbound-plain|9080||{REVIEWS}": 3}
    assert _weights(mesh(service(), endpoints={REVIEWS: (meshed, bare)})) == both
    sick = replace(bare, health=Health.UNHEALTHY)
    assert _weights(mesh(service(), endpoints={REVIEWS: (meshed, sick)})) == {f"outbound|9080||{REVIEWS}": 1}
    assert _weights(mesh(service(), endpoints={REVIEWS: (bare,)})) == {f"outbound-plain|9080||{REVIEWS}": 1}
    assert _weights(mesh(service())) == {f"outbound|9080||{REVIEWS}": 1}


def test_a_server_that_disables_mtls_is_called_without() -> None:
    """Endpoints whose PeerAuthentication says DISABLE are in the plain cluster."""
    off = PeerAuthentication("default", Ref("", "PeerAuthentication", "default", "off"), mode=MtlsMode.DISABLE)
    of = mesh(service(), endpoints={REVIEWS: (endpoint(),)}, peer_authentications={"default": (off,)})
    assert _weights(of) == {f"outbound-plain|9080||{REVIEWS}": 1}
    assert not _cluster(of, f"outbound-plain|9080||{REVIEWS}").HasField("transport_socket")


@pytest.mark.parametrize(
    ("port", "numbers", "off"),
    [
        (ServicePort(9080, "http", Protocol.HTTP), (9080, 20001), 9080),
        (ServicePort(9080, "http", Protocol.HTTP), (9080, 20001), 20001),
        (ServicePort(80, "http", Protocol.HTTP), (9080, 20001), 9080),
        (ServicePort(80, "http", Protocol.HTTP, 9080), (), 9080),
        (ServicePort(80, "http", Protocol.HTTP), (), 8080),
    ],
)
def test_a_port_that_disables_mtls_is_called_without(port: ServicePort, numbers: tuple[int, ...], off: int) -> None:
    """The port is the workload's, whatever number callers know it by; its other ports are still called with mTLS."""
    for said, cluster in ((off, "outbound-plain"), (1, "outbound")):
        ref = Ref("", "PeerAuthentication", "default", "p")
        mode = PeerAuthentication("default", ref, (("app", "r"),), MtlsMode.STRICT, ((said, MtlsMode.DISABLE),))
        one = endpoint("r-0", (("app", "r"),), numbers=numbers)
        of = mesh(service(REVIEWS, port), endpoints={REVIEWS: (one,)}, peer_authentications={"default": (mode,)})
        found = _shot(of).virtual_host("http_proxy", f"reviews:{port.number}")
        assert found.clusters == (f"{cluster}|{port.number}||{REVIEWS}",)


def test_the_peer_must_be_the_service() -> None:
    """The mTLS of a cluster names the identities of all the service's endpoints, and of nobody else."""
    of = mesh(service(), endpoints={REVIEWS: (endpoint("b-0"), endpoint("a-0"), endpoint("a-1"))})
    text = str(_cluster(of, f"outbound|9080||{REVIEWS}").transport_socket)
    assert "spiffe://cluster.local/ns/default/sa/a" in text
    assert "spiffe://cluster.local/ns/default/sa/b" in text
    assert "X25519MLKEM768" in text


def test_a_subset_has_its_endpoints_and_its_policy() -> None:
    """A subset's cluster holds the endpoints with its labels; an unknown one is a cluster without endpoints."""
    v1 = Subset("v1", (("version", "v1"),))
    policies = {REVIEWS: (ServicePolicy(REVIEWS, "default", Ref("", "DestinationRule", "default", "r"), subsets=(v1,)),)}
    of = mesh(service(), endpoints={REVIEWS: (endpoint("a-0", (("version", "v1"),)), endpoint("b-0"))}, policies=policies)
    for name, count in ((f"outbound|9080|v1|{REVIEWS}", 1), (f"outbound|9080|v9|{REVIEWS}", 0), (f"outbound|9080||{REVIEWS}", 2)):
        found = _shot(of).endpoints(name)
        assert found
        message = ClusterLoadAssignment.FromString(found.body)
        assert sum(len(group.lb_endpoints) for group in message.endpoints) == count
        assert _cluster(of, name).name == name


def test_health_is_told_with_the_endpoint() -> None:
    """An endpoint that is sick or drains is told as such, with its workload's name."""
    of = mesh(service(), endpoints={REVIEWS: (endpoint(health=Health.DRAINING),)})
    found = _shot(of).endpoints(f"outbound|9080||{REVIEWS}")
    assert found
    one = ClusterLoadAssignment.FromString(found.body).endpoints[0].lb_endpoints[0]
    assert one.health_status == 3
    assert one.metadata.filter_metadata["weft"]["workload"] == "default/reviews-0"


def test_a_policy_for_one_workload_is_for_it_alone() -> None:
    """A DestinationRule with a workload selector changes the cluster of the workloads it selects."""
    ref = Ref("", "DestinationRule", "default", "r")
    special = ServicePolicy(REVIEWS, "default", ref, TrafficPolicy(PortPolicy()), workload_selector=(("app", "x"),))
    of, cache = mesh(service(), policies={REVIEWS: (special,)}), Cache()
    name = f"outbound|9080||{REVIEWS}"
    chosen, other = (_shot(of, proxy("p", labels=marks), cache).cluster(name) for marks in ((("app", "x"),), ()))
    assert chosen and other
    assert (ref in chosen.origins, ref in other.origins) == (True, False)


@pytest.mark.parametrize(
    ("mode", "chains"),
    [(MtlsMode.STRICT, ["mtls"]), (MtlsMode.PERMISSIVE, ["mtls", "plaintext"]), (MtlsMode.DISABLE, ["plaintext"])],
)
def test_an_inbound_listener_has_the_chains_of_its_mode(mode: MtlsMode, chains: list[str]) -> None:
    """STRICT has only the mTLS chain, DISABLE only the plaintext one, PERMISSIVE both."""
    said = PeerAuthentication("default", Ref("", "PeerAuthentication", "default", "m"), mode=mode)
    inbound = _shot(mesh(peer_authentications={"default": (said,)})).listeners()[-1]
    assert inbound.name == "inbound|8080"
    assert [chain.name for chain in Listener.FromString(inbound.body).filter_chains] == chains


def test_a_port_level_mode_names_either_port() -> None:
    """A mode for a port counts for the port as callers know it and as the application has it."""
    for port in (8080, 20001):
        ref = Ref("", "PeerAuthentication", "default", "m")
        said = PeerAuthentication("default", ref, (("app", "web"),), MtlsMode.PERMISSIVE, ((port, MtlsMode.STRICT),))
        shot = _shot(mesh(peer_authentications={"default": (said,)}), proxy(labels=(("app", "web"),)))
        assert [chain.name for chain in Listener.FromString(shot.listeners()[-1].body).filter_chains] == ["mtls"]


def test_hosts_outside_pass() -> None:
    """An undeclared host outside goes to the passthrough cluster; an address and localhost are outside too."""
    shot = _shot(mesh())
    for host in ("example.com", "10.0.0.1:80", "[::1]:80", "localhost:8080"):
        assert shot.virtual_host("http_proxy", host).clusters == (PASSTHROUGH,)
    assert shot.cluster(PASSTHROUGH)


def test_another_port_of_a_declared_outside_host_passes() -> None:
    """A port that a ServiceEntry does not list passes as the host itself would."""
    of = mesh(service("api.com", namespace="default", location=Location.EXTERNAL))
    assert _shot(of).virtual_host("http_proxy", "api.com:1234").clusters == (PASSTHROUGH,)


def test_what_is_not_ours_is_none() -> None:
    """Names that we do not give are unknown: clusters, endpoints, route configurations."""
    shot = _shot(mesh())
    assert (shot.cluster("x"), shot.endpoints("x"), shot.route_configuration("x"), shot.cluster("inbound|1||")) == (None,) * 4


def _digest(seed: int) -> str:
    """A hash of everything a proxy may ask for in a mesh whose parts were put together in an order made from `seed`."""
    shuffle = random.Random(seed).sample
    hosts = shuffle([f"s{number}.default.svc.cluster.local" for number in range(12)], 12)
    ends = tuple(endpoint(f"w{number}-0", weight=number + 1, mtls=number % 3 != 0) for number in range(9))
    match = HttpMatch(headers=(NamedMatch("a", Exact("b")),))
    split = tuple(to(host, weight=number + 1) for number, host in enumerate(sorted(hosts)))
    of = mesh(
        *(service(host) for host in hosts),
        endpoints={host: tuple(shuffle(ends, len(ends))) for host in hosts},
        routes={host: (rules(host, rule(match, action=Forward(split)), rule()),) for host in hosts},
    )
    shot, digest = _shot(of), hashlib.sha256()
    for host in sorted(hosts):
        found = shot.virtual_host("http_proxy", host)
        digest.update(found.body + repr((found.name, found.clusters, sorted(found.hosts), found.origins)).encode())
        for name in found.clusters:
            for one in (shot.cluster(name), shot.endpoints(name)):
                digest.update(one.body if one else b"")
    for one in shot.listeners():
        digest.update(one.body)
    return digest.hexdigest()


def test_the_same_mesh_gives_the_same_bytes() -> None:
    """Neither the order in which a mesh is put together nor the hash seed of the process changes a byte."""
    here = Path(__file__)
    script = f"import sys; sys.path.insert(0, {str(here.parent)!r}); import {here.stem}; print({here.stem}._digest(7))"
    other = [
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        for seed in ("1", "2")
    ]
    assert {_digest(1), _digest(2), *(one.stdout.strip() for one in other)} == {_digest(3)}
