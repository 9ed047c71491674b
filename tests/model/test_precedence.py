"""Who wins when several things were said of one host."""

from weft.hostname import matches
from weft.model.endpoint import Endpoint
from weft.model.labels import Labels
from weft.model.mesh import Mesh
from weft.model.mtls import mtls_mode
from weft.model.precedence import (
    endpoints,
    gateway_route_sets,
    patterns,
    policy,
    port_policy,
    route_set,
    service,
)
from weft.model.route import RouteSet
from weft.model.security import MtlsMode, PeerAuthentication
from weft.model.service import Protocol, Service, ServicePort
from weft.model.traffic import Balancer, ConnectionPool, LoadBalancing, PortPolicy, ServicePolicy, Subset, TrafficPolicy
from weft.ref import Ref

HOST = "web.data.svc.cluster.local"


def _ref(name: str, namespace: str) -> Ref:
    return Ref("networking.istio.io", "Kind", namespace, name)


def _service(host: str = HOST, namespace: str = "data", export_to: tuple[str, ...] = ("*",)) -> Service:
    return Service(host, namespace, "web", (ServicePort(80, "http", Protocol.HTTP),), _ref("web", namespace), export_to=export_to)


def _rule(
    host: str, namespace: str, name: str = "dr", export_to: tuple[str, ...] = ("*",), selector: Labels = ()
) -> ServicePolicy:
    return ServicePolicy(host, namespace, _ref(name, namespace), export_to=export_to, workload_selector=selector)


def _policies(*rules: ServicePolicy) -> Mesh:
    return Mesh(policies={host: tuple(one for one in rules if one.host == host) for host in {one.host for one in rules}})


def _routes(host: str, name: str, namespace: str = "data", export_to: tuple[str, ...] = ("*",), *gateways: str) -> RouteSet:
    return RouteSet((host,), namespace, _ref(name, namespace), gateways or ("mesh",), export_to, created=name)


def _name(found: ServicePolicy | RouteSet | None) -> str:
    return found.origin.name if found else ""


def test_the_patterns_of_a_host_go_from_the_name_to_the_star() -> None:
    """A host is searched for as itself, then under every wildcard that fits it, and no other."""
    found = list(patterns("a.example"))
    assert found[0] == "a.example"
    assert found.index("*.example") < found.index("*example") < found.index("*")
    assert all(matches(one, "a.example") for one in found)
    assert "*a.example" not in found
    assert list(patterns("*.a"))[:2] == ["*.a", "*a"]
    assert list(patterns("*")) == ["*"]


def test_a_service_of_the_callers_namespace_comes_first() -> None:
    """Of several services of one name, the caller's own namespace's is meant; an invisible one never."""
    mesh = Mesh(services={HOST: (_service(), _service(namespace="mine"), _service(namespace="far", export_to=("far",)))})
    assert [getattr(service(mesh, HOST, caller), "namespace", "") for caller in ("mine", "far", "else")] == [
        "mine",
        "far",
        "data",
    ]
    hidden = Mesh(services={HOST: (_service(export_to=("data",)),)})
    assert service(hidden, HOST, "mine") is None


def test_an_exact_service_comes_before_a_wildcard() -> None:
    """A wildcard service answers only for what has no name of its own."""
    mesh = Mesh(services={"a.example": (_service("a.example"),), "*.example": (_service("*.example"),)})
    found = [service(mesh, host, "x") for host in ("a.example", "b.example", "b.other")]
    assert [one.hostname if one else None for one in found] == ["a.example", "*.example", None]


def test_each_namespace_has_its_own_endpoints_of_a_host() -> None:
    """The first service of a host has the plain key, one of another namespace its own."""
    one, two = _service(), _service(namespace="mine")
    first, second = Endpoint("10.0.0.1", 80, "http"), Endpoint("10.0.0.2", 80, "http")
    mesh = Mesh(services={HOST: (one, two)}, endpoints={HOST: (first,), f"mine/{HOST}": (second,)})
    assert (endpoints(mesh, one), endpoints(mesh, two)) == ((first,), (second,))


def test_the_rules_of_the_nearest_visibility_win_then_the_older() -> None:
    """Private before exported by name, before public; among equals the first, which is the older."""
    public, younger = _routes(HOST, "1"), _routes(HOST, "2")
    named, private = _routes(HOST, "3", "other", ("mine",)), _routes(HOST, "4", "mine", ("mine",))
    mesh = Mesh(routes={HOST: (public, younger, named, private)})
    assert _name(route_set(mesh, HOST, "mine")) == "4"
    assert _name(route_set(mesh, HOST, "else")) == "1"
    assert _name(route_set(Mesh(routes={HOST: (public, named)}), HOST, "mine")) == "3"


def test_rules_for_the_host_come_before_rules_for_a_wildcard() -> None:
    """The most specific host decides, and rules of gateways say nothing in the mesh."""
    wide, exact = _routes("*.svc.cluster.local", "1"), _routes(HOST, "2")
    mesh = Mesh(routes={"*.svc.cluster.local": (wide,), HOST: (exact,)})
    assert _name(route_set(mesh, HOST, "x")) == "2"
    gateway_only = Mesh(routes={"*.svc.cluster.local": (wide,), HOST: (_routes(HOST, "2", "data", ("*",), "a/gw"),)})
    assert _name(route_set(gateway_only, HOST, "x")) == "1"


def test_a_gateway_has_all_rules_bound_to_it_in_order() -> None:
    """Every RouteSet that names the gateway and that its namespace sees, each once, the older first."""
    two = RouteSet(("a", "b"), "data", _ref("1", "data"), ("x/gw",), created="1")
    other, hidden = _routes("a", "0", "data", ("*",), "x/gw"), _routes("a", "2", "data", ("data",), "x/gw")
    mesh = Mesh(routes={"a": (two, other, hidden), "b": (two,), "c": (_routes("c", "3"),)})
    assert [_name(one) for one in gateway_route_sets(mesh, "x/gw", "x")] == ["0", "1"]


def test_a_destination_rule_is_looked_for_with_the_client_first() -> None:
    """The client's namespace, then the service's, then the root namespace; one of a stranger never."""
    client, owner = _rule(HOST, "mine", "client"), _rule(HOST, "data", "owner")
    root, stranger = _rule("*", "istio-system", "root"), _rule(HOST, "third", "stranger")
    served = _service()
    assert _name(policy(_policies(root, owner, client, stranger), served, "mine")) == "client"
    assert _name(policy(_policies(root, owner, stranger), served, "mine")) == "owner"
    assert _name(policy(_policies(root, stranger), served, "mine")) == "root"
    assert policy(_policies(stranger), served, "mine") is None


def test_a_destination_rule_must_be_exported_to_the_client() -> None:
    """A rule private to the service's namespace is not the client's."""
    private = _rule(HOST, "data", "private", ("data",))
    assert policy(_policies(private), _service(), "mine") is None
    assert _name(policy(_policies(private), _service(), "data")) == "private"


def test_within_a_namespace_the_more_specific_host_wins() -> None:
    """An exact host before a wildcard."""
    mesh = _policies(_rule("*.cluster.local", "mine", "wide"), _rule(HOST, "mine", "exact"))
    assert _name(policy(mesh, _service(), "mine")) == "exact"


def test_in_the_root_namespace_the_service_comes_first() -> None:
    """A client in the root namespace does not take its catch-all before the service's own rule."""
    mesh = _policies(_rule("*", "istio-system", "root"), _rule(HOST, "data", "owner"))
    assert _name(policy(mesh, _service(), "istio-system")) == "owner"


def test_a_workload_selector_counts_in_its_own_namespace_only() -> None:
    """A rule with a fitting selector wins there, and is none elsewhere."""
    chosen, plain = _rule(HOST, "data", "chosen", selector=(("app", "a"),)), _rule(HOST, "data", "plain")
    mesh = _policies(plain, chosen)
    assert _name(policy(mesh, _service(), "data", (("app", "a"), ("b", "c")))) == "chosen"
    assert _name(policy(mesh, _service(), "data", (("app", "b"),))) == "plain"
    assert _name(policy(mesh, _service(), "mine", (("app", "a"),))) == "plain"


def test_a_subset_is_laid_over_the_service_and_a_port_replaces_all() -> None:
    """A subset replaces what it names; a port's settings inherit nothing."""
    random, ring = LoadBalancing(Balancer.RANDOM), LoadBalancing(Balancer.ROUND_ROBIN)
    pool = ConnectionPool(max_connections=1)
    rule = ServicePolicy(
        HOST,
        "data",
        _ref("dr", "data"),
        TrafficPolicy(PortPolicy(random, pool), ((90, PortPolicy(ring)),)),
        (Subset("v1", (), TrafficPolicy(PortPolicy(ring))), Subset("v2", ())),
    )
    assert port_policy(rule, 80) == port_policy(rule, 80, "v2") == PortPolicy(random, pool)
    assert port_policy(rule, 80, "v1") == PortPolicy(ring, pool)
    assert port_policy(rule, 90) == PortPolicy(ring)
    assert port_policy(None, 80) == PortPolicy()


def _authentication(
    namespace: str, mode: MtlsMode | None, selector: Labels = (), ports: tuple[tuple[int, MtlsMode], ...] = ()
) -> PeerAuthentication:
    return PeerAuthentication(namespace, _ref("pa", namespace), selector, mode, ports)


def test_the_nearest_peer_authentication_decides() -> None:
    """The port, the workload, the namespace, the mesh, and without any of them PERMISSIVE."""
    web: Labels = (("app", "web"),)
    mesh = Mesh(
        peer_authentications={
            "istio-system": (_authentication("istio-system", MtlsMode.STRICT),),
            "data": (
                _authentication("data", MtlsMode.PERMISSIVE),
                _authentication("data", None, web, ((80, MtlsMode.DISABLE),)),
            ),
        }
    )
    assert mtls_mode(mesh, "data", web, 80) is MtlsMode.DISABLE
    assert mtls_mode(mesh, "data", web, 81) is MtlsMode.PERMISSIVE
    assert mtls_mode(mesh, "data", web, 8080, 80) is MtlsMode.DISABLE
    assert mtls_mode(mesh, "other", web, 80) is MtlsMode.STRICT
    assert mtls_mode(Mesh(), "other", web, 80) is MtlsMode.PERMISSIVE


def test_a_selector_in_the_root_namespace_says_nothing() -> None:
    """As in Istio, only a PeerAuthentication without a selector counts there."""
    web: Labels = (("app", "web"),)
    mesh = Mesh(peer_authentications={"istio-system": (_authentication("istio-system", MtlsMode.STRICT, web),)})
    assert mtls_mode(mesh, "istio-system", web, 80) is MtlsMode.PERMISSIVE
