"""Which service and port a host means, said by a caller in a namespace.

Every spelling resolves to exactly one answer, and a virtual host carries just the spellings whose answer it is: so no two
virtual hosts ever share a domain, which would make Envoy reject the whole update.
"""

import re
from dataclasses import dataclass

from weft.hostname import candidates, is_cluster_name, spellings
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


def answer(mesh: Mesh, namespace: str, host: str, limit: Limit | None = None) -> Answer:
    """What `host`, without port, means to a caller in `namespace` who knows of what is within `limit`."""
    domain = mesh.settings.domain
    names = candidates(host, namespace, domain)
    for tried, name in enumerate(names, start=1):
        service = precedence.service(mesh, name, namespace, limit)
        rules = precedence.route_set(mesh, name, namespace, limit)
        if service or rules:
            return Answer(name, True, service, rules, names[:tried])
    hidden = answer(mesh, namespace, host) if limit else None
    if hidden and hidden.known and is_cluster_name(hidden.host, domain):
        return Answer(hidden.host, True, None, None, names)
    if is_cluster_name(host, domain) and not host.startswith("["):
        return Answer(names[0], True, None, None, names)
    return Answer(host, False, None, None, names)


def domains(mesh: Mesh, namespace: str, of: Answer, limit: Limit | None = None) -> tuple[tuple[str, ...], frozenset[str]]:
    """Every spelling that has the answer `of`, and all names looked up to know that."""
    found, tried = [], set(of.looked_up)
    for spelling in spellings(of.host, namespace, mesh.settings.domain):
        other = answer(mesh, namespace, spelling, limit)
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
