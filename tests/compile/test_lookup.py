"""Which service a host means."""

import pytest
from meshes import REVIEWS, Location, mesh, rule, rules, service

from weft.compile.scope.lookup import Answer, answer, asked, domains, port_asked
from weft.model.mesh import Mesh
from weft.model.service import Protocol, ServicePort


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("reviews", "reviews", 0),
        ("Reviews:9080", "reviews", 9080),
        ("a.b.:80", "a.b", 80),
        ("[::1]:80", "[::1]", 80),
        ("[::1]", "[::1]", 0),
    ],
)
def test_a_host_is_taken_apart(text: str, host: str, port: int) -> None:
    """Case and a final dot do not count; a port may follow."""
    got = asked(text)
    assert got
    assert (got.host, got.port) == (host, port)


@pytest.mark.parametrize("text", ["*", "*.com", "", "a b", "a/b", "a:b", "a:0", "a:70000", "-a", "a" * 300])
def test_what_is_no_host_is_none(text: str) -> None:
    """Nothing that could become a wildcard or an endless domain is taken for a host."""
    assert asked(text) is None


def _host(of: Mesh, host: str, namespace: str = "default") -> Answer:
    return answer(of, namespace, host)


def test_a_short_name_is_of_the_callers_namespace() -> None:
    """`reviews` is the service of the caller's own namespace, and nothing in another."""
    of = mesh(service())
    assert _host(of, "reviews").service
    assert not _host(of, "reviews", "other").known
    assert _host(of, "reviews.default", "other").service


def test_a_name_with_one_dot_may_be_outside() -> None:
    """`foo.bar` is the service foo in bar when there is one, else the host foo.bar."""
    inside, outside = service("foo.bar.svc.cluster.local"), service("foo.bar", namespace="default", location=Location.EXTERNAL)
    assert _host(mesh(outside), "foo.bar").host == "foo.bar"
    assert _host(mesh(inside, outside), "foo.bar").host == inside.hostname
    assert not _host(mesh(), "foo.bar").in_mesh
    assert _host(mesh(), "foo").in_mesh


def test_two_virtual_hosts_never_share_a_domain() -> None:
    """A spelling belongs to the one host it resolves to, also where two could claim it."""
    of = mesh(service("foo.bar.svc.cluster.local"), service("foo.bar", namespace="default", location=Location.EXTERNAL))
    names = ("foo.bar", "foo.bar.svc.cluster.local", "foo.bar.svc")
    claimed = [domain for name in {_host(of, one).host for one in names} for domain in domains(of, "default", _host(of, name))[0]]
    assert sorted(claimed) == sorted(set(claimed))
    assert set(claimed) >= set(names)


def test_what_was_looked_up_in_vain_is_remembered() -> None:
    """The names tried before the one that was found are among those whose change counts."""
    got = _host(mesh(service("foo.bar", namespace="default", location=Location.EXTERNAL)), "foo.bar")
    assert got.looked_up == ("foo.bar.svc.cluster.local", "foo.bar", "bar.default.svc.cluster.local")


def test_rules_make_a_host() -> None:
    """A host that only a VirtualService names is known."""
    assert _host(mesh(routes={"front.com": (rules("front.com", rule()),)}), "front.com").rules


def test_a_name_without_port_is_port_80_or_the_first_http_port() -> None:
    """Without a port the service's port 80 is meant, else its first HTTP port, and never a TCP port."""
    tcp, http, eighty = (
        ServicePort(5432, "tcp", Protocol.TCP),
        ServicePort(9080, "http", Protocol.HTTP),
        ServicePort(80, "web", Protocol.HTTP),
    )
    assert port_asked(service(REVIEWS, tcp, http, eighty), 0) == eighty
    assert port_asked(service(REVIEWS, tcp, http), 0) == http
    assert port_asked(service(REVIEWS, tcp), 0) is None
    assert port_asked(service(REVIEWS, tcp), 5432) == tcp
