"""Virtual hosts on demand (VHDS): which asked name is answered by which virtual host, and what may go in one response.

Envoy asks for a name once in its life. The answer is the virtual host's canonical name with the asked name as an alias; what
is known later replaces it, the old one removed in the very response that brings the new: two virtual hosts with one domain
make Envoy refuse all of them. https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/vhds
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from weft.envoy.types import EnvoyResource
from weft.xds.admission import Caps, Shared, domains_of, for_aliases, is_unknown, with_domains
from weft.xds.ledger import Ledger, Verdict
from weft.xds.stand_in import is_own, is_plain_host, placeholder, placeholder_name

Release = Callable[[EnvoyResource, float], bool]
"""Whether a virtual host that is due since then may be told now."""


def _claims(resource: EnvoyResource) -> tuple[str, ...]:
    """The domains of a virtual host, each with its route configuration: only within one they must differ."""
    return _claimed(resource.name.rpartition("/")[0], resource.version, resource.body)


@lru_cache(maxsize=8192)
def _claimed(route_config: str, version: str, body: bytes) -> tuple[str, ...]:
    return tuple(f"{route_config}/{domain}" for domain in domains_of(body))


class VirtualHosts:
    """The virtual hosts of one proxy. The ledger is keyed by canonical name, `asked` says who answers which question."""

    def __init__(self, ledger: Ledger, caps: Caps) -> None:
        self.ledger = ledger
        self.asked: dict[str, str] = {}
        self.shared = Shared(caps)
        self.conflicts = 0
        self.forgotten: list[str] = []  # asked names beyond what is remembered, for who follows them
        self._caps = caps
        self._aliases: dict[str, dict[str, None]] = {}
        self._unknown: set[str] = set()  # asked names of unknown hosts that have a virtual host of their own
        self._left: dict[str, set[str]] = {}  # canonical -> where its asked names went
        self._gone: dict[str, set[str]] = {}  # canonical to remove -> what must be told with it or before
        self._owner: dict[str, str] = {}
        self._owned: dict[str, tuple[str, ...]] = {}
        self._adopted: set[str] = set()
        self._unclaimed: set[str] = set()  # adopted, and not known yet to be wanted

    @property
    def unknown(self) -> int:
        """How many names of unknown hosts have a virtual host of their own."""
        return len(self._unknown)

    # Questions and answers

    def adopt(self, versions: Mapping[str, str], now: float) -> None:
        """The proxy holds these from an earlier stream; of which domains is known only once they are wanted as they are."""
        self.ledger.adopt(versions, now)
        self._adopted.update(versions)
        self._unclaimed.update(name for name in versions if not is_own(name))

    def reclaim(self) -> None:
        """Everything the first request asked is assigned: what else the proxy holds goes when the rest is told."""
        self._unclaimed.clear()
        for name in self._adopted:
            if not self._aliases.get(name) and self.ledger.entries[name].wanted is None:
                self._gone[name] = set(self.ledger.due)

    def place(self, route_config: str, now: float) -> None:
        """Lets the listeners of a route configuration finish warming."""
        if placeholder_name(route_config) not in self._aliases:
            self._aliases[placeholder_name(route_config)] = {}
            self._gone.pop(placeholder_name(route_config), None)
            self.ledger.want(placeholder_name(route_config), placeholder(route_config), now)
            self._own(placeholder_name(route_config))

    def assign(self, asked: str, resource: EnvoyResource, now: float, *, waiting: bool, adopting: bool) -> tuple[str, ...]:
        """`resource` answers `asked`. Returns the canonical names this touches. `adopting`: the proxy may have the answer
        from an earlier stream."""
        forgotten: tuple[str, ...] = ()
        if self._fits(asked, resource):
            self.shared.leave(asked)
            name = resource.name
            self._unclaimed.discard(name)
            if is_unknown(resource):
                self._unknown.add(asked)
            else:
                self._unknown.discard(asked)
        else:
            self._unknown.discard(asked)
            name, forgotten = self.shared.join(asked, resource, waiting=waiting)
        old = self.asked.get(asked)
        new_alias = old != name
        if new_alias:
            self._move(asked, old, name)
        if name not in self.shared:
            resource = for_aliases(resource, tuple(self._aliases[name]))
            self.ledger.want(name, resource, now, again=waiting or (new_alias and not adopting))
            self._own(name)
        for lost in forgotten:
            self.shared.leave(lost, urgent=False)
            self._release(lost, self.asked.pop(lost), None)
        self.forgotten.extend(forgotten)
        return (name,) if old is None or old == name else (name, old)

    def _fits(self, asked: str, resource: EnvoyResource) -> bool:
        """Whether the answer may be a virtual host of its own."""
        if not is_plain_host(asked.rpartition("/")[2]):
            return False
        if not is_unknown(resource) or asked in self._unknown:
            return True
        if self.shared.serves(asked):
            return False
        reserved = 0 if resource.name in self._unclaimed else len(self._unclaimed)
        return len(self._unknown) + reserved < self._caps.unknown

    def drop(self, asked: str) -> tuple[str, ...]:
        """`asked` is not asked any more."""
        self.shared.leave(asked)
        self._unknown.discard(asked)
        name = self.asked.pop(asked, None)
        if name is None:
            return ()
        self._release(asked, name, None)
        return (name,)

    def _move(self, asked: str, old: str | None, name: str) -> None:
        self.asked[asked] = name
        self._aliases.setdefault(name, {})[asked] = None
        self._gone.pop(name, None)
        self._left.pop(name, None)
        if old is not None:
            self._release(asked, old, name)

    def _release(self, asked: str, old: str, successor: str | None) -> None:
        aliases = self._aliases[old]
        aliases.pop(asked, None)
        if old in self.shared:
            return
        if successor is not None:
            self._left.setdefault(old, set()).add(successor)
        if aliases:
            return
        del self._aliases[old]
        successors = self._left.pop(old, set())
        entry = self.ledger.entries[old]
        if not entry.told_version and not entry.held_version:
            self.ledger.forget(old)
            return
        entry.wanted, entry.forced, entry.due_since = None, False, None
        self.ledger.due.pop(old, None)
        self._gone[old] = successors

    def aliases(self, name: str) -> tuple[str, ...]:
        """The asked names to be told with a virtual host."""
        return self.shared.aliases(name) if name in self.shared else tuple(self._aliases.get(name, ()))

    def hosts(self, name: str) -> tuple[str, ...]:
        """The hosts, as they were asked, that a virtual host answers."""
        return tuple(sorted({asked.rpartition("/")[2] for asked in self._aliases.get(name, ())}))

    # Responses

    def batch(self, now: float, release: Release) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names to tell and names to remove in the next response; both empty while there is nothing that may go."""
        for name, resource, waiting in self.shared.due(now):
            self.ledger.want(name, resource, now, again=waiting)
        if not self.ledger.due and not self._gone:
            return (), ()
        due = [(name, entry.wanted) for name, entry in self.ledger.due_entries() if entry.wanted is not None]
        chosen = {name for name, wanted in due if release(wanted, self._since(name))}
        if len(chosen) < len(due) and self._opaque():
            return (), ()
        while blocked := {name for name in chosen if self._blocked(name, chosen)}:
            chosen -= blocked
        self._strip(chosen)
        names = self.ledger.batch(sorted(name for name in chosen if name in self.ledger.due))
        return names, tuple(sorted(name for name in self._gone if self._removable(name, set(names))))

    def _since(self, name: str) -> float:
        return self.ledger.entries[name].due_since or 0.0

    def _opaque(self) -> bool:
        """Whether the proxy holds virtual hosts whose domains we do not know: then all that is due goes together."""
        entries = self.ledger.entries
        self._adopted = {n for n in self._adopted if n in entries and entries[n].told is None and entries[n].told_version}
        return bool(self._adopted)

    def _wanted_domains(self, name: str) -> tuple[str, ...]:
        wanted = self.ledger.entries[name].wanted
        return () if wanted is None else _claims(wanted)

    def _removable(self, name: str, chosen: set[str]) -> bool:
        entries = self.ledger.entries
        return all(
            other in chosen or other not in entries or entries[other].wanted_version == entries[other].told_version
            for other in self._gone[name]
        )

    def _blocked(self, name: str, chosen: set[str]) -> bool:
        """Whether another virtual host that still has one of the domains must let go of it first."""
        for domain in self._wanted_domains(name):
            owner = self._owner.get(domain)
            if owner is None or owner == name or owner in chosen:
                continue
            if owner in self._gone:
                if not self._removable(owner, chosen):
                    return True
            elif owner in self.ledger.due and domain not in self._wanted_domains(owner):
                return True
        return False

    def _strip(self, chosen: set[str]) -> None:
        """Takes out domains that two virtual hosts would have: whoever has it keeps it, else the first by name."""
        taken: dict[str, str] = {}
        for name in sorted(chosen, key=lambda name: (name not in self._owned, name)):
            domains = self._wanted_domains(name)
            lost = {domain for domain in domains if taken.setdefault(domain, name) != name or self._keeps(domain, name, chosen)}
            if lost:
                self._tell_without(name, tuple(domain.rpartition("/")[2] for domain in domains if domain not in lost))

    def _keeps(self, domain: str, name: str, chosen: set[str]) -> bool:
        """Whether another one than `name` has the domain now and goes on having it."""
        owner = self._owner.get(domain, name)
        return owner != name and owner not in chosen and owner not in self._gone

    def _tell_without(self, name: str, domains: tuple[str, ...]) -> None:
        self.conflicts += 1
        entry = self.ledger.entries[name]
        assert entry.wanted is not None
        ours = domains or (f"{entry.wanted.version}.conflict.weft.invalid",)
        self.ledger.want(name, with_domains(entry.wanted, ours), self._since(name))

    # What became of them

    def told(self, names: Iterable[str], removed: Iterable[str]) -> None:
        """A response with these took off."""
        for name in (*names, *removed):
            self._disown(name)
        for name in names:
            self._own(name)

    def acknowledged(self, verdict: Verdict) -> None:
        """The proxy took a response."""
        if not verdict.told and not verdict.removed:
            return
        self.shared.landed()
        for name in verdict.removed:
            entry = self.ledger.entries.get(name)
            if entry is not None and not entry.told_version and name not in self._aliases:
                self._gone.pop(name, None)
                self.ledger.forget(name)

    def refused(self, verdict: Verdict) -> None:
        """The proxy refused a response: it has what it had."""
        self.shared.refused()
        if not verdict.told:
            for name in verdict.removed:
                self._gone.pop(name, None)
        self._owner, self._owned = {}, {}
        for name in self.ledger.entries:
            self._own(name)

    def _own(self, name: str) -> None:
        entry = self.ledger.entries[name]
        if name in self._owned or entry.told is None:
            return
        self._owned[name] = _claims(entry.told)
        self._owner.update(dict.fromkeys(self._owned[name], name))

    def _disown(self, name: str) -> None:
        for domain in self._owned.pop(name, ()):
            if self._owner.get(domain) == name:
                del self._owner[domain]
