"""How much a workload takes: the rate limits of a mesh."""

from dataclasses import dataclass

from weft.model.labels import Labels
from weft.model.route import NamedMatch
from weft.quota import Quota
from weft.ref import Ref

PRINCIPAL, REMOTE_IP, REQUEST_PRINCIPAL = "source.principal", "remote.ip", "request.auth.principal"
PATH, METHOD, HOST = "request.url_path", "request.method", "request.host"
HEADER, CLAIM = "request.headers", "request.auth.claims"


@dataclass(frozen=True, slots=True)
class Key:
    """An attribute whose values are counted each by themselves. `names` are what stands in brackets."""

    attribute: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """What is counted: any of each, and all of what is given. Values are exact, `prefix*`, `*suffix`; paths may be templates."""

    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    headers: tuple[NamedMatch, ...] = ()
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """One rule. `name` is unique in the mesh: `namespace/name/rule`. `connections`: it counts those instead of requests."""

    name: str
    origin: Ref
    quota: Quota
    match: Match = Match()
    per: tuple[Key, ...] = ()
    connections: bool = False
    is_global: bool = False
    shadow: bool = False
    deny_on_failure: bool = False


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One RateLimit. `selector` and `gateways` as those of an AuthorizationPolicy; `services` are the hosts whose endpoints it is
    for. With `gateways` or `services` it is for nobody else."""

    namespace: str
    name: str
    origin: Ref
    selector: Labels = ()
    gateways: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
