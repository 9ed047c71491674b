"""Names beyond what one proxy may make us hold: random Host headers must not stop it.

Every VHDS response makes Envoy rebuild its whole route configuration, and a name that was asked can never be asked again.
So beyond a cap unknown hosts get no virtual host of their own: those with the same answer share one, told once in a while.
What a caller outside the mesh may have meant (a passthrough) goes on working; what nobody knows gets a 404.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from envoy.config.route.v3.route_components_pb2 import VirtualHost

from weft.envoy.names import BLACK_HOLE, PASSTHROUGH
from weft.envoy.types import VIRTUAL_HOST, EnvoyResource, envoy_resource
from weft.xds.stand_in import answering_virtual_host, is_plain_host, shared_name

_UNKNOWN = "unknown"
_WORDS = "weft: this host is not known to the mesh; this proxy was asked for so many unknown hosts that no more is said of each\n"
_GROUPS = 16  # answers that differ per host cannot be shared: the rest gets the 404


@dataclass(frozen=True, slots=True)
class Caps:
    """Bounds for one proxy. `unknown`: hosts with a virtual host of their own. `interval`: seconds between two tellings of
    the shared ones, `together`: how many waiting names one telling answers, since Envoy lets all their requests go in one
    turn of its worker. `remembered`: names beyond `unknown` that still work as soon as their service exists. `domains` and
    `unknown_domains`: how many of them one shared virtual host serves, where it forwards and where it says 404."""

    unknown: int = 500
    interval: float = 0.2
    together: int = 50
    remembered: int = 20_000
    domains: int = 10_000
    unknown_domains: int = 1_000


def is_unknown(resource: EnvoyResource) -> bool:
    """Whether a virtual host was made from nothing the operator said: no service, no rule."""
    return not resource.origins and all(name in (PASSTHROUGH, BLACK_HOLE) for name in resource.clusters)


@dataclass(slots=True)
class _Group:
    template: EnvoyResource | None  # None: the 404
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)  # asked name -> its domains
    fresh: dict[str, bool] = field(default_factory=dict)  # names to be told as aliases; whether somebody surely waits
    turn: dict[str, bool] = field(default_factory=dict)  # those whose turn it is
    forced: bool = False


@dataclass(slots=True)
class Shared:
    """The virtual hosts that unknown hosts beyond the cap share. `urgent`: a name left for a virtual host of its own, which
    cannot be told before it is taken out here."""

    caps: Caps
    forgotten: int = 0
    urgent: bool = False
    next_at: float = 0.0
    dirty: dict[str, None] = field(default_factory=dict)
    _groups: dict[str, _Group] = field(default_factory=dict)
    _group_of: dict[str, str] = field(default_factory=dict)
    _flown: dict[str, dict[str, bool]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._group_of)

    def __contains__(self, name: str) -> bool:
        """Whether `name` is the name of a shared virtual host."""
        return name in self._groups

    def serves(self, asked: str) -> bool:
        """Whether `asked` is answered by a shared virtual host."""
        return asked in self._group_of

    def join(self, asked: str, resource: EnvoyResource, *, waiting: bool) -> tuple[str, tuple[str, ...]]:
        """The shared virtual host that answers `asked` from now on, and the names that are forgotten for it. `waiting`: tell
        it even if the proxy should have it from an earlier stream."""
        name = self._name(asked, resource)
        group = self._groups[name]
        if self._group_of.get(asked) != name:
            self.leave(asked)
            self._group_of[asked] = name
            group.members[asked] = _domains(asked, resource)
            group.fresh[asked] = waiting
            self.dirty[name] = None
        if waiting:
            group.fresh[asked] = True
            group.forced = True
            self.dirty[name] = None
        return name, self._forget()

    def leave(self, asked: str, *, urgent: bool = True) -> None:
        """`asked` has an answer of its own now, or is not asked any more."""
        name = self._group_of.pop(asked, None)
        if name is None:
            return
        group = self._groups[name]
        group.fresh.pop(asked, None)
        if group.members.pop(asked):
            self.dirty[name] = None
            self.urgent = self.urgent or urgent

    def _forget(self) -> tuple[str, ...]:
        too_many = len(self._group_of) - self.caps.remembered
        if too_many <= 0:
            return ()
        oldest = tuple(name for name, _ in zip(self._group_of, range(too_many), strict=False))
        self.forgotten += len(oldest)
        return oldest

    def _name(self, asked: str, resource: EnvoyResource) -> str:
        route_config, _, host = asked.rpartition("/")
        if resource.clusters and is_plain_host(host):
            name = shared_name(route_config, _essence(resource))
            if name in self._groups or len(self._groups) < _GROUPS:
                self._groups.setdefault(name, _Group(resource))
                return name
        name = shared_name(route_config, _UNKNOWN)
        self._groups.setdefault(name, _Group(None))
        return name

    def due(self, now: float) -> tuple[tuple[str, EnvoyResource, bool], ...]:
        """The shared virtual hosts to tell now, and whether somebody waits for them. They count as told."""
        if not self.dirty or (now < self.next_at and not self.urgent):
            return ()
        names, self.dirty, self.urgent = tuple(self.dirty), {}, False
        self.next_at = now + self.caps.interval
        return tuple(self._turn(name) for name in names)

    def _turn(self, name: str) -> tuple[str, EnvoyResource, bool]:
        """The next telling of a shared virtual host; who surely waits and is not in it gets the one after."""
        group = self._groups[name]
        waiting = [asked for asked, surely in group.fresh.items() if surely]
        later = frozenset(waiting[self.caps.together :])
        group.turn = {asked: surely for asked, surely in group.fresh.items() if asked not in later}
        forced, group.forced = group.forced, bool(later)
        if later:
            self.dirty[name] = None
        return name, self._resource(name, later), forced

    def _resource(self, name: str, later: frozenset[str]) -> EnvoyResource:
        group = self._groups[name]
        limit = self.caps.unknown_domains if group.template is None else self.caps.domains
        members = sorted(group.members)  # not the newest: after a reconnect it must come out the same
        domains: dict[str, None] = {}
        for asked in members:
            domains.update(dict.fromkeys(group.members[asked]))
            if len(domains) >= limit:
                break
        told = [asked for asked in members if asked not in later]
        if group.template is None or not domains:
            return for_aliases(answering_virtual_host(name, tuple(sorted(domains)), 404, _WORDS), told)
        return for_aliases(with_domains(group.template, tuple(sorted(domains)), name), told)

    def aliases(self, name: str) -> tuple[str, ...]:
        """The names that wait for the answer, which takes off with the response made now."""
        group = self._groups[name]
        self._flown[name] = taken = {asked: surely for asked, surely in group.turn.items() if asked in group.fresh}
        for asked in taken:
            del group.fresh[asked]
        group.turn = {}
        return tuple(taken)

    def landed(self) -> None:
        """The response was taken."""
        self._flown.clear()

    def refused(self) -> None:
        """The response was refused: those who waited still do."""
        for name, names in self._flown.items():
            self._groups[name].fresh.update(names)
            self._groups[name].forced = self._groups[name].forced or bool(names)
            self.dirty[name] = None
        self._flown.clear()


def domains_of(body: bytes) -> tuple[str, ...]:
    """The domains of a serialized virtual host."""
    return tuple(VirtualHost.FromString(body).domains)


def with_domains(resource: EnvoyResource, domains: tuple[str, ...], name: str = "") -> EnvoyResource:
    """The virtual host with other domains, and under another name if one is given."""
    message = VirtualHost.FromString(resource.body)
    message.name = name or message.name
    message.ClearField("domains")
    message.domains.extend(domains)
    made = envoy_resource(VIRTUAL_HOST, name or resource.name, message)
    return replace(resource, name=made.name, body=made.body, version=made.version)


def for_aliases(resource: EnvoyResource, aliases: Sequence[str]) -> EnvoyResource:
    """The virtual host in a version that says for which asked names it was told. After a reconnect an equal version then
    means that nobody waits: a proxy says what it holds and what it asked, but not which questions are open."""
    if len(aliases) < 2:
        return resource
    names = blake2b("\n".join(sorted(aliases)).encode(), digest_size=8).hexdigest()
    return replace(resource, version=f"{resource.version}+{names}")


def _domains(asked: str, resource: EnvoyResource) -> tuple[str, ...]:
    return domains_of(resource.body) if is_plain_host(asked.rpartition("/")[2]) else ()


def _essence(resource: EnvoyResource) -> str:
    """A hash of all but the name and the domains."""
    message = VirtualHost.FromString(resource.body)
    message.ClearField("name")
    message.ClearField("domains")
    return blake2b(message.SerializeToString(deterministic=True), digest_size=8).hexdigest()
