"""Meshes for tests of `compile`, in a line or two."""

from weft.model.endpoint import Endpoint
from weft.model.labels import Labels
from weft.model.mesh import Mesh
from weft.model.route import Action, Destination, Forward, HttpMatch, HttpRoute, RouteSet, WeightedDestination
from weft.model.service import Location, Protocol, Resolution, Service, ServicePort
from weft.model.workload import Address, InboundPort, Proxy, Workload
from weft.ref import Ref

REVIEWS = "reviews.default.svc.cluster.local"


def service(host: str = REVIEWS, *ports: ServicePort, **said: object) -> Service:
    """A service; without ports it has 9080, HTTP."""
    name, _, rest = host.partition(".")
    namespace = said.pop("namespace", rest.split(".")[0])
    listed = ports or (ServicePort(9080, "http", Protocol.HTTP),)
    return Service(host, str(namespace), name, listed, Ref("", "Service", str(namespace), name), **said)  # type: ignore[arg-type]


def endpoint(name: str = "reviews-0", labels: Labels = (), **said: object) -> Endpoint:
    """An endpoint in the mesh."""
    known = {"port_name": "http", "namespace": "default", "service_account": name.rpartition("-")[0], "mtls": True, **said}
    return Endpoint("10.0.0.1", 8080, workload=f"default/{name}", labels=labels, **known)  # type: ignore[arg-type]


def mesh(*services: Service, endpoints: dict[str, tuple[Endpoint, ...]] | None = None, **said: object) -> Mesh:
    """A mesh of these services."""
    by_host: dict[str, tuple[Service, ...]] = {}
    for one in services:
        by_host[one.hostname] = (*by_host.get(one.hostname, ()), one)
    return Mesh(services=by_host, endpoints=endpoints or {}, **said)  # type: ignore[arg-type]


def proxy(name: str = "web-0", namespace: str = "default", labels: Labels = (), **said: object) -> Proxy:
    """A sidecar with one inbound port."""
    inbound = (InboundPort("http", 8080, "http", Address("127.0.0.1", 20000), Address("127.0.0.1", 20001)),)
    known = {"http_proxy": Address("127.0.0.1", 15001), "inbound": inbound, **said}
    return Proxy(Workload(namespace, name, "web", labels), **known)  # type: ignore[arg-type]


def to(host: str = REVIEWS, subset: str = "", weight: int = 1) -> WeightedDestination:
    """A destination on port 9080."""
    return WeightedDestination(Destination(host, subset, 9080), weight)


def rule(*matches: HttpMatch, name: str = "", action: Action | None = None, at: int = 0) -> HttpRoute:
    """A rule of the VirtualService default/x; it sends to reviews unless told otherwise."""
    return HttpRoute(action or Forward((to(),)), Ref("", "VirtualService", "default", "x", f"spec.http[{at}]"), name, matches)


def rules(host: str, *http: HttpRoute, **said: object) -> RouteSet:
    """The VirtualService default/x of one host."""
    return RouteSet((host,), "default", Ref("", "VirtualService", "default", "x"), http=http, **said)  # type: ignore[arg-type]


__all__ = ["REVIEWS", "Location", "Resolution", "endpoint", "mesh", "proxy", "rule", "rules", "service", "to"]
