"""Calls from sidecar to sidecar: names, identity, tunnels, what is unknown, and who is refused."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from stage import Application, Stage, TcpEcho, Upstream, answer, free_port, request, stage, tunnel

from weft.model.endpoint import Endpoint
from weft.model.security import MtlsMode, PeerAuthentication
from weft.model.service import Location, Protocol, Resolution
from weft.model.workload import Address
from weft.ref import Ref

WEB = "default/web-0"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """web calls reviews (permissive), locked (strict), open (disabled), db (TCP), and hosts outside."""
    with stage(Path(tmp_path_factory.mktemp("s"))) as made:
        reviews = made.workload("default/reviews-0", Application("reviews-0").port, labels={"app": "reviews"})
        locked = made.workload("locked/vault-0", Application("vault-0").port, labels={"app": "vault"})
        opened = made.workload("default/open-0", Application("open-0").port, labels={"app": "open"})
        db = made.workload("data/db-0", TcpEcho("db-0", b"hello ").port, number=5432, protocol="tcp")
        made.service("reviews.default.svc.cluster.local", reviews)
        made.service("vault.locked.svc.cluster.local", locked)
        made.service("open.default.svc.cluster.local", opened)
        made.service("db.data.svc.cluster.local", db, number=5432, protocol=Protocol.TCP)
        bare = Application("bare")
        outside = Endpoint("127.0.0.1", bare.port, "http")
        made.service("api.example.com", number=80, more=(outside,), location=Location.EXTERNAL)
        named = Endpoint("localhost", bare.port, "http")
        made.service("named.example.com", number=80, more=(named,), location=Location.EXTERNAL, resolution=Resolution.DNS)
        made.mesh = replace(
            made.mesh,
            peer_authentications={
                "locked": (PeerAuthentication("locked", Ref("", "PeerAuthentication", "locked", "all"), mode=MtlsMode.STRICT),),
                "default": (
                    PeerAuthentication(
                        "default", Ref("", "PeerAuthentication", "default", "open"), (("app", "open"),), MtlsMode.DISABLE
                    ),
                ),
            },
        )
        upstreams = (
            Upstream("reviews", 9080, Address("127.0.0.1", free_port())),
            Upstream("db.data", 5432, Address("127.0.0.1", free_port())),
            Upstream("nobody", 80, Address("127.0.0.1", free_port())),
        )
        made.workload(WEB, service_account="web", upstreams=upstreams)
        made.start(WEB, "default/reviews-0", "locked/vault-0", "default/open-0", "data/db-0")
        yield made
        assert made.rejections() == []


@pytest.mark.parametrize(
    "host",
    ["reviews:9080", "reviews", "reviews.default", "reviews.default.svc:9080", "reviews.default.svc.cluster.local:9080",
     "Reviews.Default:9080", "reviews.default.svc.cluster.local.:9080"],
)  # fmt: skip
def test_a_service_answers_to_all_its_names(running: Stage, host: str) -> None:
    """Every spelling of a service's name, with and without its port, reaches it."""
    assert running.call(WEB, f"http://{host}/x").said["instance"] == "reviews-0"


def test_the_caller_is_known_by_its_identity(running: Stage) -> None:
    """The application sees the caller's SPIFFE ID, and a header that the caller forged is gone."""
    said = running.call(WEB, "http://reviews:9080/", headers={"x-forwarded-client-cert": "URI=spiffe://evil"}).said
    assert "URI=spiffe://cluster.local/ns/default/sa/web" in said["headers"]["x-forwarded-client-cert"]
    assert "evil" not in said["headers"]["x-forwarded-client-cert"]


def test_a_strict_workload_takes_calls_of_the_mesh(running: Stage) -> None:
    """Under STRICT a call through the sidecars succeeds."""
    assert running.call(WEB, "http://vault.locked:9080/").said["instance"] == "vault-0"


def test_a_strict_workload_refuses_plaintext(running: Stage) -> None:
    """Under STRICT a plaintext request straight to the inbound port gets no answer."""
    with pytest.raises(OSError):
        request(running.proxies["locked/vault-0"].inbound[0].listen, "/")


def test_a_permissive_workload_takes_plaintext_without_identity(running: Stage) -> None:
    """Under PERMISSIVE a plaintext request is served, and a forged identity is removed from it."""
    said = request(
        running.proxies["default/reviews-0"].inbound[0].listen, "/", headers={"x-forwarded-client-cert": "URI=evil"}
    ).said
    assert said["instance"] == "reviews-0"
    assert "x-forwarded-client-cert" not in said["headers"]


def test_mtls_is_off_where_the_server_disables_it(running: Stage) -> None:
    """A workload whose PeerAuthentication says DISABLE is called in plaintext."""
    said = running.call(WEB, "http://open:9080/").said
    assert said["instance"] == "open-0"
    assert "x-forwarded-client-cert" not in said["headers"]


def test_an_unknown_host_is_told_what_is_close(running: Stage) -> None:
    """A misspelt name gets a 404 in plain text with the name that may have been meant."""
    got = running.call(WEB, "http://revews:9080/")
    assert got.status == 404
    assert got.headers["content-type"] == "text/plain"
    assert "revews.default.svc.cluster.local" in got.text
    assert "close: reviews.default.svc.cluster.local" in got.text


def test_the_right_name_in_another_namespace_is_found(running: Stage) -> None:
    """A short name that only exists elsewhere gets a 404 that names it there."""
    assert "vault.locked.svc.cluster.local" in running.call(WEB, "http://vault:9080/").text


def test_an_unknown_port_is_told_the_ports(running: Stage) -> None:
    """A known host on another port gets a 404 that lists its ports."""
    got = running.call(WEB, "http://reviews:1234/")
    assert got.status == 404
    assert "9080 (http)" in got.text


def test_a_host_that_is_no_host_is_refused(running: Stage) -> None:
    """A Host that would be a wildcard domain catches nothing: it gets an error, and others still work."""
    to = running.proxies[WEB].http_proxy
    assert to
    assert request(to, "/", headers={"host": "*"}).status in (400, 404)
    assert running.call(WEB, "http://open:9080/").status == 200


def test_an_unknown_host_works_as_soon_as_its_service_exists(running: Stage) -> None:
    """What was unknown a moment ago is answered by its service, without being asked for again."""
    assert running.call(WEB, "http://later:9080/").status == 404
    before = running.mesh
    running.service("later.default.svc.cluster.local", running.proxies["default/reviews-0"])
    running.publish(running.mesh)
    assert running.eventually(lambda: running.call(WEB, "http://later:9080/").status == 200)
    running.publish(before)
    assert running.eventually(lambda: running.call(WEB, "http://later:9080/").status == 404)


def test_http_inside_connect_is_routed(running: Stage) -> None:
    """Inside a CONNECT to an HTTP port the request is read, routed, and carries the caller's identity."""
    said = _through(running, "reviews:9080").said
    assert said["instance"] == "reviews-0"
    assert "sa/web" in said["headers"]["x-forwarded-client-cert"]


def _through(running: Stage, authority: str) -> "object":
    to = running.proxies[WEB].http_proxy
    assert to
    with tunnel(to, authority) as one:
        one.sendall(f"GET /in HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n".encode())
        from http.client import HTTPResponse

        response = HTTPResponse(one)
        response.begin()
        return answer(response)


def test_connect_to_a_tcp_port_is_a_plain_tunnel(running: Stage) -> None:
    """A CONNECT to a TCP service reaches it, and what the server says first comes back."""
    to = running.proxies[WEB].http_proxy
    assert to
    with tunnel(to, "db.data:5432") as one:
        assert _read(one, 6) == b"hello "
        one.sendall(b"ping")
        assert _read(one, 9) == b"db-0:ping"


def _read(one: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := one.recv(size - len(data))):
        data += more
    return data


def test_connect_to_an_unknown_host_is_told_so(running: Stage) -> None:
    """A CONNECT to a name nobody knows gets the 404 and its words."""
    to = running.proxies[WEB].http_proxy
    assert to
    with pytest.raises(AssertionError, match="404"):
        tunnel(to, "revews:9080")


def test_a_tcp_upstream_is_a_local_port(running: Stage) -> None:
    """A declared TCP upstream reaches its service through mTLS."""
    at = running.proxies[WEB].upstreams[1].listen
    with socket.create_connection((at.host, at.port), timeout=5) as one:
        assert _read(one, 6) == b"hello "


def test_an_http_upstream_speaks_for_its_service(running: Stage) -> None:
    """A declared HTTP upstream routes whatever Host it is given, and tells the service its own name."""
    said = request(running.proxies[WEB].upstreams[0].listen, "/up").said
    assert (said["instance"], said["host"]) == ("reviews-0", "reviews:9080")


def test_an_upstream_that_is_unknown_says_so(running: Stage) -> None:
    """A declared upstream whose service does not exist answers 404 with words."""
    got = request(running.proxies[WEB].upstreams[2].listen, "/")
    assert (got.status, "nobody" in got.text) == (404, True)


def test_an_external_service_is_called_in_plaintext(running: Stage) -> None:
    """A ServiceEntry with addresses is balanced over them without mTLS."""
    said = running.call(WEB, "http://api.example.com/v1").said
    assert (said["instance"], said["host"]) == ("bare", "api.example.com")


def test_an_endpoint_that_is_a_name_is_resolved(running: Stage) -> None:
    """A ServiceEntry whose endpoint is a name is dialled there, and the Host stays what the caller wrote."""
    said = running.call(WEB, "http://named.example.com/v1").said
    assert (said["instance"], said["host"]) == ("bare", "named.example.com")


def test_an_undeclared_external_host_passes(running: Stage) -> None:
    """With ALLOW_ANY a host nobody declared is resolved and reached, by request and by CONNECT."""
    port = running.mesh.endpoints["api.example.com"][0].port
    assert running.call(WEB, f"http://127.0.0.1:{port}/").said["instance"] == "bare"
    assert _through(running, f"127.0.0.1:{port}").said["instance"] == "bare"  # type: ignore[attr-defined]


def test_a_websocket_goes_through(running: Stage) -> None:
    """An upgrade crosses both sidecars, HTTP/2 between them, and bytes flow both ways."""
    to = running.proxies[WEB].http_proxy
    assert to
    with socket.create_connection((to.host, to.port), timeout=5) as one:
        one.sendall(
            b"GET http://reviews:9080/ws HTTP/1.1\r\nHost: reviews:9080\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _read(one, 1)
        assert b" 101 " in head
        one.sendall(b"ping")
        assert _read(one, 14) == b"reviews-0:ping"
