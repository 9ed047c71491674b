"""How destinations are reached, replayed: TLS modes, names to resolve, TCP rules, and what is outside."""

import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from stage import Application, Stage, TcpEcho, Upstream, free_port, stage

from weft.model.endpoint import Endpoint, Health
from weft.model.mesh import Settings
from weft.model.route import Destination, L4Route, RouteSet, WeightedDestination
from weft.model.service import Location, Protocol, Resolution
from weft.model.traffic import ClientTls, PortPolicy, ServicePolicy, TlsMode, TrafficPolicy
from weft.model.workload import Address
from weft.ref import Ref

WEB = "default/web-0"
EXTERNAL = {"location": Location.EXTERNAL}
RULE = Ref("", "DestinationRule", "default", "tls")


class _TlsApplication(Application):
    """An application that speaks TLS itself; with `trusted` it asks for a client certificate."""

    def __init__(self, instance: str, folder: Path, trusted: bool = False) -> None:
        super().__init__(instance)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        if trusted:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(folder / "ca.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """A refused handshake is no news."""


def _files(made: Stage, folder: Path) -> None:
    for name in ("server", "client"):
        chain, key = made.authority.leaf(f"{name}.example.com")
        (folder / f"{name}.pem").write_bytes(chain)
        (folder / f"{name}.key").write_bytes(key)
    (folder / "ca.pem").write_bytes(made.authority.pem)


def _tls(host: str, tls: ClientTls) -> dict[str, tuple[ServicePolicy, ...]]:
    return {host: (ServicePolicy(host, "default", RULE, TrafficPolicy(PortPolicy(tls=tls))),)}


@pytest.fixture(scope="module")
def reach(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """web, a service in the mesh, and services outside that speak TLS."""
    folder = Path(tmp_path_factory.mktemp("d"))
    with stage(folder) as made:
        _files(made, folder)
        reviews = made.workload("default/reviews-0", Application("reviews").port)
        made.service("reviews.default.svc.cluster.local", reviews)
        made.service("disabled.default.svc.cluster.local", reviews)
        made.service("forced.default.svc.cluster.local", reviews)
        _outside(made, folder)
        databases = [made.workload(f"default/db-{n}", TcpEcho(f"db-{n}").port, number=5432, protocol="tcp") for n in (0, 1)]
        for n, one in enumerate(databases):
            made.service(f"db-{n}.default.svc.cluster.local", one, number=5432, protocol=Protocol.TCP)
        made.service("db.default.svc.cluster.local", *databases, number=5432, protocol=Protocol.TCP)
        named = Endpoint("localhost", TcpEcho("named").port, "tcp")
        dns = {"location": Location.EXTERNAL, "resolution": Resolution.DNS}
        made.service("named.tcp.com", number=5432, protocol=Protocol.TCP, more=(named,), **dns)
        made.mesh = replace(made.mesh, policies=_policies(folder), routes=_routes())
        upstreams = tuple(Upstream(host, 5432, Address("127.0.0.1", free_port())) for host in ("db", "named.tcp.com"))
        made.workload(WEB, service_account="web", upstreams=upstreams)
        made.start(WEB, "default/reviews-0", "default/db-0", "default/db-1")
        yield made
        assert made.rejections() == []


def _outside(made: Stage, folder: Path) -> None:
    simple = Endpoint("127.0.0.1", _TlsApplication("simple", folder).port, "http")
    mutual = Endpoint("127.0.0.1", _TlsApplication("mutual", folder, trusted=True).port, "http")
    for host, endpoint in (("server.example.com", simple), ("wrong.example.com", simple), ("skipped.example.com", simple)):
        made.service(host, number=80, more=(endpoint,), **EXTERNAL)
    made.service("mutual.example.com", number=80, more=(mutual,), **EXTERNAL)
    made.service(
        "dialled.example.com", number=80, more=(replace(simple, address="localhost"),), resolution=Resolution.DNS, **EXTERNAL
    )
    sick = replace(simple, health=Health.UNHEALTHY)
    made.service("sick.example.com", number=80, more=(sick,), **EXTERNAL)
    made.service("*.any.localhost", number=simple.port, resolution=Resolution.NONE, **EXTERNAL)


def _policies(folder: Path) -> dict[str, tuple[ServicePolicy, ...]]:
    ca = str(folder / "ca.pem")
    own = {"client_certificate": str(folder / "client.pem"), "private_key": str(folder / "client.key")}
    named = {"sni": "server.example.com", "subject_alt_names": ("server.example.com",)}
    return {
        **_tls("server.example.com", ClientTls(TlsMode.SIMPLE, ca_certificates=ca)),
        **_tls("wrong.example.com", ClientTls(TlsMode.SIMPLE, ca_certificates=ca)),
        **_tls("skipped.example.com", ClientTls(TlsMode.SIMPLE, insecure_skip_verify=True)),
        **_tls("mutual.example.com", ClientTls(TlsMode.MUTUAL, ca_certificates=ca, **own, **named)),
        **_tls("dialled.example.com", ClientTls(TlsMode.SIMPLE, ca_certificates=ca, **named)),
        **_tls("disabled.default.svc.cluster.local", ClientTls(TlsMode.DISABLE)),
        **_tls("forced.default.svc.cluster.local", ClientTls(TlsMode.ISTIO_MUTUAL)),
    }


def _routes() -> dict[str, tuple[RouteSet, ...]]:
    origin = Ref("", "VirtualService", "default", "db")
    split = tuple(WeightedDestination(Destination(f"db-{n}.default.svc.cluster.local", "", 5432), 50) for n in (0, 1))
    host = "db.default.svc.cluster.local"
    return {host: (RouteSet((host,), "default", origin, tcp=(L4Route(split, origin),)),)}


def test_tls_is_originated(reach: Stage) -> None:
    """SIMPLE speaks TLS to the endpoint and checks its name; a wrong name is refused unless verification is off."""
    assert reach.call(WEB, "http://server.example.com/").said["instance"] == "simple"
    assert reach.call(WEB, "http://wrong.example.com/").status == 503
    assert reach.call(WEB, "http://skipped.example.com/").said["instance"] == "simple"


def test_a_client_certificate_is_shown(reach: Stage) -> None:
    """MUTUAL shows the certificate of its files."""
    assert reach.call(WEB, "http://mutual.example.com/").said["instance"] == "mutual"


def test_tls_is_originated_to_a_name(reach: Stage) -> None:
    """An endpoint that is a name is resolved, dialled with TLS, and its certificate checked."""
    assert reach.call(WEB, "http://dialled.example.com/").said["instance"] == "simple"


def test_mtls_is_as_the_rule_says(reach: Stage) -> None:
    """DISABLE calls a permissive workload in plaintext; ISTIO_MUTUAL calls it under mTLS."""
    assert "x-forwarded-client-cert" not in reach.call(WEB, "http://disabled:9080/").said["headers"]
    assert "sa/web" in reach.call(WEB, "http://forced:9080/").said["headers"]["x-forwarded-client-cert"]


def test_an_unhealthy_endpoint_gets_nothing(reach: Stage) -> None:
    """When no endpoint is healthy the answer is 503, not a try all the same."""
    assert reach.call(WEB, "http://sick.example.com/").status == 503


def test_a_wildcard_without_endpoints_goes_where_the_host_says(reach: Stage) -> None:
    """A ServiceEntry with resolution NONE sends a request to the host it names."""
    port = reach.mesh.services["*.any.localhost"][0].ports[0].number
    got = reach.call(WEB, f"http://x.any.localhost:{port}/")
    assert got.status == 503  # it was resolved and dialled: plaintext to a TLS server, which hangs up
    assert "connect" in got.text or "reset" in got.text or "dns" in got.text


def _ask(reach: Stage, upstream: int) -> bytes:
    at = reach.proxies[WEB].upstreams[upstream].listen
    with socket.create_connection((at.host, at.port), timeout=5) as one:
        one.sendall(b"x")
        return one.recv(20).partition(b":")[0]


def test_tcp_rules_split_connections(reach: Stage) -> None:
    """A TCP rule's weights split the connections of an upstream."""
    assert set(Counter(_ask(reach, 0) for _ in range(40))) == {b"db-0", b"db-1"}


def test_a_tcp_upstream_may_be_a_name(reach: Stage) -> None:
    """A TCP upstream whose endpoint is a name is resolved and dialled."""
    assert _ask(reach, 1) == b"named"


def test_undeclared_hosts_are_refused_when_told_so(reach: Stage) -> None:
    """Without ALLOW_ANY a host outside gets a 502 that says how to declare it."""
    before = reach.mesh
    reach.publish(replace(before, settings=Settings(allow_any=False)))
    got = reach.call(WEB, "http://elsewhere.example.org/")
    reach.publish(before)
    assert (got.status, "ServiceEntry" in got.text) == (502, True)
