"""Random hosts: what one proxy can make us and its Envoy hold."""

from conversation import Conversation
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.route_components_pb2 import VirtualHost

from weft.envoy.names import PASSTHROUGH
from weft.envoy.types import CLUSTER, VIRTUAL_HOST, EnvoyResource, envoy_resource
from weft.testing.tiny_snapshot import TinyService, TinySnapshot
from weft.xds.admission import Caps
from weft.xds.session import SessionSettings
from weft.xds.stand_in import is_plain_host


def crowded(caps: Caps, calls: int) -> Conversation:
    """A proxy that was asked for `calls` unknown hosts, one after the other."""
    talk = Conversation(settings=SessionSettings(caps=caps))
    talk.connect()
    for number in range(calls):
        talk.call(f"random-{number}")
    return talk


def test_hosts_beyond_the_cap_share_one_virtual_host() -> None:
    """The first have an answer of their own; the rest is told together, once in an interval, and nobody waits for ever."""
    talk = crowded(Caps(unknown=5, interval=1.0), 100)
    assert len(talk.session.held(VIRTUAL_HOST)) <= 7
    assert len(talk.envoy.waiting) == 94  # the first of them was told at once
    assert len([line for line in talk.wait(1.1) if line.startswith("<")]) == 1
    assert len(talk.envoy.waiting) == 44  # so many go on in one turn of its worker that other requests do not wait for them
    talk.wait(1.1)
    assert not talk.envoy.waiting
    assert talk.answer("random-3") == "404 unknown host random-3"
    assert talk.answer("random-99").startswith("404 weft: ")
    assert len(talk.session.held(VIRTUAL_HOST)) == 7


def test_a_shared_host_works_as_soon_as_its_service_exists() -> None:
    """It leaves the shared virtual host in the response that brings its own, without waiting for the interval."""
    talk = crowded(Caps(unknown=5, interval=1000.0), 20)
    talk.wait(1000.0)
    talk.apply(TinyService("random-15", {"": (1,)}))
    assert talk.answer("random-15") == TinyService("random-15").cluster("")
    assert not [line for line in talk.said if "NACK" in line]


def test_what_is_remembered_is_bounded() -> None:
    """Beyond it the oldest names are forgotten, counted, and followed no more."""
    talk = crowded(Caps(unknown=5, interval=1.0, remembered=10), 100)
    talk.wait(10.0)
    status = talk.session.status()
    assert (status.unknown_names, status.shared_names, status.forgotten_names) == (5, 10, 85)
    assert len(talk.session.hosts) == 15


def test_the_domains_of_a_shared_virtual_host_are_bounded() -> None:
    """A name whose domain found no room gets Envoy's own 404."""
    talk = crowded(Caps(unknown=0, interval=1.0, unknown_domains=10), 50)
    talk.wait(10.0)
    assert sum(len(host.domains) for host in talk.envoy.hosts.values()) == 11
    assert not talk.envoy.waiting


def test_a_known_host_is_answered_at_once_in_a_crowd() -> None:
    """The interval is for unknown hosts only."""
    talk = crowded(Caps(unknown=5, interval=1000.0), 50)
    talk.apply(TinyService("reviews", {"": (1,)}))
    talk.call("reviews")
    assert talk.answer("reviews") == TinyService("reviews").cluster("")


def test_a_crowd_that_reconnects_is_sent_nothing() -> None:
    """The same names share the same virtual host in the same version, whoever asks first."""
    talk = crowded(Caps(unknown=5, interval=1.0, unknown_domains=10), 50)
    talk.wait(10.0)
    talk.envoy.asked = dict(reversed(talk.envoy.asked.items()))
    assert not [line for line in (*talk.connect(), *talk.wait(5.0)) if line.startswith("< V")]


def test_who_waits_when_the_stream_breaks_is_told_on_the_next() -> None:
    """After a reconnect nobody knows which questions are open: what was not told to all is told to all at once."""
    talk = crowded(Caps(unknown=5, interval=1.0, together=10), 100)
    talk.wait(1.1)
    assert len(talk.envoy.waiting) == 84
    talk.connect()
    talk.wait(1.1)
    assert not talk.envoy.waiting


def test_a_strange_host_never_becomes_a_domain() -> None:
    """A Host header of `*` would catch all calls of the proxy; it is answered without having a domain."""
    talk = Conversation()
    talk.connect()
    talk.call("*", "*.com", "a" * 300, "a b")
    assert not talk.envoy.waiting
    domains = {domain for host in talk.envoy.hosts.values() for domain in host.domains}
    assert all(is_plain_host(domain.replace("|", "")) for domain in domains) and "*" not in domains


class Passing(TinySnapshot):
    """A mesh that lets unknown hosts pass."""

    def virtual_host(self, route_config: str, host: str) -> EnvoyResource:
        name = f"{route_config}/{host}"
        message = VirtualHost(name=name, domains=[host], routes=[{"match": {"prefix": "/"}, "route": {"cluster": PASSTHROUGH}}])
        return envoy_resource(VIRTUAL_HOST, name, message, clusters=(PASSTHROUGH,), hosts=frozenset({host}))

    def cluster(self, name: str) -> EnvoyResource | None:
        return envoy_resource(CLUSTER, name, Cluster(name=name, type="STATIC")) if name == PASSTHROUGH else None


def test_hosts_outside_the_mesh_still_pass_beyond_the_cap() -> None:
    """A crawler's thousand hosts share a virtual host that forwards them all, each with its own domain."""
    talk = Conversation(settings=SessionSettings(caps=Caps(unknown=5, interval=1.0)))
    talk.mesh = Passing((), 1)
    talk.connect()
    for number in range(1000):
        talk.call(f"host-{number}.example.com")
    for _ in range(20):
        talk.wait(1.0)
    assert len(talk.session.held(VIRTUAL_HOST)) == 7 and not talk.envoy.waiting
    served = talk.envoy.serves("host-777.example.com")
    assert served is not None and served.routes[0].route.cluster == PASSTHROUGH
