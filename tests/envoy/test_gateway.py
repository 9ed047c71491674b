"""Gateways, replayed: calls from outside the mesh, plain, TLS and TCP."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest
from stage import Answer, Application, Stage, TcpEcho, answer, free_port, stage

from weft.model.gateway import Gateway, Server, ServerTls
from weft.model.route import (
    Destination,
    Forward,
    HttpMatch,
    HttpRoute,
    L4Match,
    L4Route,
    PathPrefix,
    Prefix,
    Rewrite,
    RouteSet,
    WeightedDestination,
)
from weft.model.security import MtlsMode, PeerAuthentication
from weft.model.service import Protocol
from weft.model.workload import Address, Proxy, Workload
from weft.ref import Ref

EDGE = "edge/ingress-0"
GATEWAY = "default/front"
GW = Ref("", "Gateway", "default", "front")
REVIEWS, RATINGS, DB = (f"{name}.default.svc.cluster.local" for name in ("reviews", "ratings", "db"))


class _Ports:
    def __init__(self) -> None:
        self.http, self.other, self.https, self.mutual, self.tls, self.tcp, self.redirect = (free_port() for _ in range(7))


def _to(host: str, port: int = 9080) -> Forward:
    return Forward((WeightedDestination(Destination(host, "", port)),))


def _bound(
    name: str, hosts: tuple[str, ...], *http: HttpRoute, namespace: str = "default", created: str = "1", **l4: object
) -> RouteSet:
    origin = Ref("", "VirtualService", namespace, name)
    return RouteSet(hosts, namespace, origin, (GATEWAY,), http=http, created=created, **l4)  # type: ignore[arg-type]


def _http(to: str, *matches: HttpMatch, **said: object) -> HttpRoute:
    return HttpRoute(_to(to), Ref("", "VirtualService", "default", "x", "spec.http[0]"), "", matches, **said)  # type: ignore[arg-type]


def _l4(host: str, port: int, match: L4Match) -> L4Route:
    return L4Route((WeightedDestination(Destination(host, "", port)),), Ref("", "VirtualService", "default", "l4"), (match,))


@pytest.fixture(scope="module")
def ports() -> _Ports:
    """The ports of the gateway's servers."""
    return _Ports()


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, ports: _Ports) -> Iterator[Stage]:
    """A gateway in another namespace than its Gateway, before reviews, ratings and db."""
    folder = Path(tmp_path_factory.mktemp("g"))
    with stage(folder) as made:
        reviews = made.workload("default/reviews-0", Application("reviews").port)
        ratings = made.workload("default/ratings-0", Application("ratings").port)
        db = made.workload("default/db-0", TcpEcho("db").port, number=5432, protocol="tcp")
        made.service(REVIEWS, reviews)
        made.service(RATINGS, ratings)
        made.service(DB, db, number=5432, protocol=Protocol.TCP)
        work = Workload("edge", "ingress-0", "ingress", (("istio", "ingressgateway"),))
        made.proxies[EDGE] = Proxy(work, gateway=True, gateway_host="127.0.0.1")
        strict = PeerAuthentication("istio-system", Ref("", "PeerAuthentication", "istio-system", "all"), mode=MtlsMode.STRICT)
        made.mesh = replace(
            made.mesh,
            gateways={GATEWAY: _gateway(made, folder, ports)},
            routes=_by_host(_rules(ports)),
            peer_authentications={"istio-system": (strict,)},
        )
        made.start(EDGE, "default/reviews-0", "default/ratings-0", "default/db-0")
        yield made
        assert made.rejections() == []


def _by_host(rules: tuple[RouteSet, ...]) -> dict[str, tuple[RouteSet, ...]]:
    hosts = sorted({host for one in rules for host in one.hosts})
    return {host: tuple(one for one in rules if host in one.hosts) for host in hosts}


def _gateway(made: Stage, folder: Path, ports: _Ports) -> Gateway:
    for name, names in (("server", ("shop.com", "other.com")), ("client", ("client",))):
        chain, key = made.authority.leaf(*names)
        (folder / f"{name}.pem").write_bytes(chain)
        (folder / f"{name}.key").write_bytes(key)
    (folder / "ca.pem").write_bytes(made.authority.pem)
    files = ((str(folder / "server.pem"), str(folder / "server.key")),)
    everyone = (("*", "*"),)
    servers = (
        Server(ports.http, "http", "HTTP", (("*", "shop.com"), ("*", "*.wild.com"), ("other", "private.com")), GW),
        Server(ports.other, "http-b", "HTTP", everyone, GW),
        Server(ports.redirect, "http-c", "HTTP", (("*", "shop.com"),), GW, https_redirect=True),
        Server(ports.https, "https", "HTTPS", (("*", "shop.com"),), GW, ServerTls.SIMPLE, files=files),
        Server(
            ports.mutual, "mutual", "HTTPS", everyone, GW, ServerTls.MUTUAL, files=files, ca_certificates=str(folder / "ca.pem")
        ),
        Server(ports.tls, "tls", "TLS", (("*", "raw.com"),), GW, ServerTls.PASSTHROUGH),
        Server(ports.tcp, "tcp", "TCP", everyone, GW),
    )
    return Gateway("default", "front", (("istio", "ingressgateway"),), servers, GW)


def _rules(ports: _Ports) -> tuple[RouteSet, ...]:
    by_port = (_http(RATINGS, HttpMatch(port=ports.other)), _http(REVIEWS))
    return (
        _bound("all", ("shop.com",), _http(REVIEWS), created="1"),
        _bound(
            "some", ("shop.com",), _http(RATINGS, HttpMatch(path=PathPrefix("/cg")), rewrite=Rewrite(prefix="/")), created="2"
        ),
        _bound("wild", ("a.wild.com",), _http(RATINGS, HttpMatch(path=Prefix("/only")))),
        _bound("private", ("private.com",), _http(REVIEWS), namespace="default"),
        _bound("ports", ("port.com",), *by_port),
        _bound("l4", ("raw.com",), tls=(_l4(DB, 5432, L4Match(("raw.com",), port=ports.tls)),)),
        _bound("tcp", ("any.com",), tcp=(_l4(DB, 5432, L4Match(port=ports.tcp)),)),
    )


def _get(port: int, host: str, path: str = "/", tls: ssl.SSLContext | None = None, name: str = "") -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.connect()
    if tls:
        connection.sock = tls.wrap_socket(connection.sock, server_hostname=name or host)
    try:
        connection.request("GET", path, headers={"host": host})
        return answer(connection.getresponse())
    finally:
        connection.close()


def test_virtual_services_of_one_host_are_merged(edge: Stage, ports: _Ports) -> None:
    """Two rules for one host both apply, the one that takes everything last, however old it is."""
    assert _get(ports.http, "shop.com", "/cg/x").said["instance"] == "ratings"
    assert _get(ports.http, "shop.com", "/cg/x").said["path"] == "/x"
    assert _get(ports.http, "shop.com", "/").said["instance"] == "reviews"


def test_the_port_in_a_host_does_not_matter(edge: Stage, ports: _Ports) -> None:
    """A Host with a port is the same host."""
    assert _get(ports.http, f"shop.com:{ports.http}").said["instance"] == "reviews"


def test_the_receiver_sees_the_gateways_identity(edge: Stage, ports: _Ports) -> None:
    """A gateway calls the mesh under mTLS with its own identity."""
    seen = _get(ports.http, "shop.com").said["headers"]["x-forwarded-client-cert"]
    assert "spiffe://cluster.local/ns/edge/sa/ingress" in seen


def test_a_host_is_served_where_gateway_and_rules_meet(edge: Stage, ports: _Ports) -> None:
    """A rule's host within a server's wildcard is served, its sibling is not, and neither is a namespace not let in."""
    assert _get(ports.http, "a.wild.com", "/only").said["instance"] == "ratings"
    assert _get(ports.http, "b.wild.com", "/only").status == 404
    assert _get(ports.http, "private.com").status == 404


def test_an_unknown_host_is_told_what_is_served(edge: Stage, ports: _Ports) -> None:
    """An unknown host gets a 404 that lists the hosts; a path without rule one that names the rule's resource."""
    assert "a.wild.com, shop.com" in _get(ports.http, "nobody.com").text
    assert "VirtualService default/wild" in _get(ports.http, "a.wild.com", "/other").text


def test_the_port_can_decide(edge: Stage, ports: _Ports) -> None:
    """A rule that matches on the gateway's port applies there."""
    assert _get(ports.other, "port.com").said["instance"] == "ratings"


def test_plain_http_is_redirected(edge: Stage, ports: _Ports) -> None:
    """Under httpsRedirect every request is sent to https."""
    got = _get(ports.redirect, "shop.com", "/x")
    assert (got.status, got.headers["location"].split(":")[0]) == (301, "https")


def test_tls_ends_at_the_gateway(edge: Stage, ports: _Ports) -> None:
    """SIMPLE serves the certificate of its files, for its hosts only."""
    context = ssl.create_default_context(cadata=edge.authority.pem.decode())
    assert _get(ports.https, "shop.com", tls=context).said["instance"] == "reviews"
    with pytest.raises(OSError):
        _get(ports.https, "other.com", tls=context)


def test_a_client_certificate_is_required(edge: Stage, ports: _Ports) -> None:
    """MUTUAL refuses who has no certificate and serves who has one, whose name the application sees."""
    context = ssl.create_default_context(cadata=edge.authority.pem.decode())
    with pytest.raises(OSError):
        _get(ports.mutual, "shop.com", tls=context)
    context.load_cert_chain(edge.folder / "client.pem", edge.folder / "client.key")
    assert _get(ports.mutual, "shop.com", tls=context).status == 200


def test_tls_passes_by_its_sni(edge: Stage, ports: _Ports) -> None:
    """PASSTHROUGH sends the bytes of a connection for the rule's SNI on, unread."""
    outgoing = ssl.MemoryBIO()
    hello = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="raw.com")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    with socket.create_connection(("127.0.0.1", ports.tls), timeout=5) as one:
        one.sendall(outgoing.read())
        assert one.recv(3) == b"db:"


def test_a_tcp_port_is_forwarded(edge: Stage, ports: _Ports) -> None:
    """A TCP server sends every connection to the rule's destination."""
    with socket.create_connection(("127.0.0.1", ports.tcp), timeout=5) as one:
        one.sendall(b"x")
        assert one.recv(10) == b"db:x"


def test_a_new_rule_is_served(edge: Stage, ports: _Ports) -> None:
    """A rule added while the gateway runs works there, and its removal is noticed."""
    before = edge.mesh
    added = _bound("new", ("new.com",), _http(REVIEWS))
    edge.publish(replace(before, routes={**before.routes, "new.com": (added,)}))
    assert edge.eventually(lambda: _get(ports.other, "new.com").status == 200)
    edge.publish(before)
    assert edge.eventually(lambda: _get(ports.other, "new.com").status == 404)


def test_the_gateway_listens_where_it_is_told(edge: Stage) -> None:
    """Every listener is bound to the host that the agent gave."""
    bound = edge.admin(EDGE, "/listeners?format=json")["listener_statuses"]
    assert {one["local_address"]["socket_address"]["address"] for one in bound} == {Address("127.0.0.1", 0).host}
