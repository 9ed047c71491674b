"""Which service and port a host means, said by a caller in a namespace.

Every spelling resolves to exactly one answer, and a virtual host carries just the spellings whose answer it is: so no two
virtual hosts ever share a domain, which would make Envoy reject the whole update.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from weft.hostname import candidates, instance_names, is_cluster_name, is_wildcard, spellings
from weft.model import precedence
from weft.model.mesh import Mesh
from weft.model.precedence import Limit
from weft.model.route import RouteSet
from weft.model.service import Location, Service, ServicePort

_HOST = re.compile(r"(\[[0-9a-f:.]+(%25[a-z0-9]+)?\]|[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?)\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """A host as a caller wrote it, taken apart. `port` 0: none was written."""

    host: str
    port: int

    @property
    def suffix(self) -> str:
        """What follows the host name in every spelling."""
        return f":{self.port}" if self.port else ""


def asked(text: str) -> Asked | None:
    """`text` taken apart; None when it is not the name of a host (never make a domain of such a thing: `*` would catch all)."""
    host, colon, port = text.lower().rpartition(":") if not text.endswith("]") else (text.lower(), "", "")
    if not colon:
        host, port = text.lower(), "0"
    host = host.removesuffix(".")
    if not _HOST.match(host) or not port.isdecimal() or not 0 <= int(port) <= 65535 or (colon and int(port) == 0):
        return None
    return Asked(host, int(port))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host means. `host` is the canonical name, the same for all spellings. Neither service nor rules: unknown when
    `in_mesh`, else a host outside that the mesh knows nothing of. `looked_up` are the names that were tried, in order."""

    host: str
    in_mesh: bool
    service: Service | None = None
    rules: RouteSet | None = None
    looked_up: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether anything was said of this host."""
        return self.service is not None or self.rules is not None


def answer(mesh: Mesh, namespace: str, host: str, limit: Limit | None = None, port: int = 0) -> Answer:
    """What `host`, without port, means to a caller in `namespace` who knows of what is within `limit`. Of services with one
    address that is meant which has `port`."""
    domain = mesh.settings.domain
    if is_address(host):
        return _at_address(mesh, namespace, host, limit, port)
    instances = instance_names(host, namespace, domain)
    names = (*(one for one in instances if _is_instance(mesh, one)), *candidates(host, namespace, domain))
    parents = tuple(one.partition(".")[2] for one in instances)
    for tried, name in enumerate(names, start=1):
        service = precedence.service(mesh, name, namespace, limit)
        rules = precedence.route_set(mesh, name, namespace, limit)
        if service and not rules:
            rules = _rules_of(mesh, service, name, namespace, limit)
        if service or rules:
            meant = (service.hostname, service.backed_by, service.alias) if service else ()
            other = tuple(one.alias for one in mesh.services.get(name, ()))
            looked_up = dict.fromkeys((*names[:tried], *parents, *meant, *other))
            return Answer(name, True, service, rules, tuple(one for one in looked_up if one))
    names = (*names, *parents)
    hidden = answer(mesh, namespace, host) if limit else None
    if hidden and hidden.known and is_cluster_name(hidden.host, domain):
        return Answer(hidden.host, True, None, None, names)
    if is_cluster_name(host, domain) and not host.startswith("["):
        return Answer(names[0], True, None, None, names)
    return Answer(host, False, None, None, names)


def _rules_of(mesh: Mesh, meant: Service, name: str, namespace: str, limit: Limit | None) -> RouteSet | None:
    """The rules of the service that `name` is another name of."""
    if meant.hostname == name or is_wildcard(meant.hostname):
        return None
    return precedence.route_set(mesh, meant.hostname, namespace, limit)


def is_address(host: str) -> bool:
    """Whether `host` is an IP address, with brackets or without."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _at_address(mesh: Mesh, namespace: str, host: str, limit: Limit | None, port: int) -> Answer:
    """The service that has the address; without one it is outside."""
    address = str(ip_address(host.strip("[]")))
    found = precedence.service_at(mesh, address, port, namespace, limit)
    if found is None:
        return Answer(host, False, None, None, (host, address))
    rules = precedence.route_set(mesh, found.hostname, namespace, limit)
    return Answer(host, True, found, rules, (host, address, found.hostname))


def _is_instance(mesh: Mesh, name: str) -> bool:
    return any(one.headless for one in mesh.services.get(name.partition(".")[2], ()))


def domains(
    mesh: Mesh, namespace: str, of: Answer, limit: Limit | None = None, port: int = 0
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Every spelling that has the answer `of`, and all names looked up to know that."""
    found, tried = [], set(of.looked_up)
    for spelling in spellings(of.host, namespace, mesh.settings.domain):
        other = answer(mesh, namespace, spelling, limit, port)
        tried.update(other.looked_up)
        if other.host == of.host and other.in_mesh == of.in_mesh:
            found.append(spelling)
    return tuple(found), frozenset(tried)


def port_asked(of: Service, number: int) -> ServicePort | None:
    """The port `number` of a service; 0: port 80, else its first HTTP port. None: it has no such port."""
    if number:
        return of.port(number)
    return of.port(80) or next((port for port in of.ports if port.protocol.is_http), None)


def is_external(of: Service) -> bool:
    """Whether the service is outside the mesh."""
    return of.location is Location.EXTERNAL
