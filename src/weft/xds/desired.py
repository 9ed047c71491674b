"""What one proxy should hold: the snapshot, looked up for exactly what the proxy asked and for what that needs.

Every look-up leaves behind which host names it depended on and which clusters it named, so that a change is looked up only
where it matters, and a cluster is wanted for as long as something names it.
"""

from collections.abc import Iterable

from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from weft.envoy.names import parse_outbound, secret_sources
from weft.envoy.types import CLUSTER, ENDPOINTS, LISTENER, ROUTE_CONFIGURATION, SECRET, VIRTUAL_HOST, EnvoyResource
from weft.model.mesh import Change
from weft.xds.admission import Caps
from weft.xds.interest import ANY_HOST, Interest, concerned
from weft.xds.ledger import Ledger
from weft.xds.order import Key, Uses, desired_clusters, named_clusters, refused_clusters
from weft.xds.snapshots import Snapshot
from weft.xds.stand_in import empty_cluster, rejected_virtual_host
from weft.xds.virtual_hosts import VirtualHosts

TYPES = (SECRET, CLUSTER, ENDPOINTS, LISTENER, ROUTE_CONFIGURATION, VIRTUAL_HOST)
_LISTENERS = Key(LISTENER, "")


class Desired:
    """The ledgers of all types and what keeps them in step with a snapshot. `explicit` are the clusters asked by name."""

    def __init__(self, proxy: str, snapshot: Snapshot, linger: float, caps: Caps) -> None:
        self.snapshot = snapshot
        self.ledgers = {type_url: Ledger(type_url, proxy) for type_url in TYPES}
        self.uses = Uses(linger)
        self.interest = Interest()
        self.virtual_hosts = VirtualHosts(self.ledgers[VIRTUAL_HOST], caps)
        self.explicit: set[str] = set()
        self._listeners: tuple[EnvoyResource, ...] | None = None
        self._entitled: frozenset[str] | None = None

    def start(self, now: float) -> None:
        """Looks up what is wanted without being asked. The first request may be about clusters: they depend on it."""
        if self._listeners is None:
            self._listen(now)

    def change(self, snapshot: Snapshot, change: Change, now: float) -> None:
        """Looks up again what depends on a host of `change`."""
        self.snapshot = snapshot
        if change.everything:
            keys = set(self.interest.all())
        else:
            # Endpoints decide more than their assignment: a service that is partly in the mesh is split by their weights.
            keys = self.interest.of(concerned(change))
        for key in sorted(keys, key=_users_first):
            self.look_up(key, now)

    def look_up(self, key: Key, now: float) -> None:
        """What the snapshot says of `key`."""
        if key.type_url == CLUSTER:
            self._cluster(key, now)
        elif key.type_url == SECRET:
            self._secret(key, now)
        elif key.type_url == LISTENER:
            self._listen(now)
        elif key.type_url == VIRTUAL_HOST:
            self.virtual_host(key.name, now)
        else:
            self._named(key, now)

    # One type each

    def _cluster(self, key: Key, now: float) -> None:
        """A cluster that is no more is not taken back here: it lingers, and so does one that nothing should name any more."""
        if self._lingers(self.ledgers[CLUSTER], key.name):
            return
        resource = self.snapshot.cluster(key.name)
        self.interest.follow(key, _hosts(resource, key.name))
        if resource is None and key.name in self.explicit:
            resource = empty_cluster(key.name)
        if resource is not None:
            self.ledgers[CLUSTER].want(key.name, resource, now)
            self._entitle(resource.secrets, now)

    def _secret(self, key: Key, now: float) -> None:
        """A secret is told only to a proxy whose own listeners or clusters name it. One that is missing or broken now is kept
        as it was told last."""
        self.interest.follow(key, frozenset(secret_sources(key.name)))
        resource = self.snapshot.secret(key.name) if key.name in self._entitlement() else None
        entry = self.ledgers[SECRET].entries.get(key.name)
        if resource is not None or entry is None or not entry.told_version:
            self.ledgers[SECRET].want(key.name, resource, now)

    def _entitlement(self) -> frozenset[str]:
        """The secrets that this proxy's listeners and clusters name."""
        if self._entitled is None:
            entries = (*self.ledgers[LISTENER].entries.values(), *self.ledgers[CLUSTER].entries.values())
            states = (state for one in entries for state in (one.wanted, one.told, one.held) if state is not None)
            self._entitled = frozenset(name for state in states for name in state.secrets)
        return self._entitled

    def _entitle(self, secrets: Iterable[str], now: float) -> None:
        """Something that names these secrets has come: those asked for before it are told now."""
        self._entitled = None
        for name in secrets:
            entry = self.ledgers[SECRET].entries.get(name)
            if entry is not None and entry.wanted is None:
                self._secret(Key(SECRET, name), now)

    def _named(self, key: Key, now: float) -> None:
        """Endpoints and route configurations. Held ones that are no more are kept: whoever uses them goes first. So are the
        endpoints of a cluster that lingers, when there would be none."""
        endpoints = key.type_url == ENDPOINTS
        resource = self.snapshot.endpoints(key.name) if endpoints else self.snapshot.route_configuration(key.name)
        self.interest.follow(key, _hosts(resource, key.name))
        ledger = self.ledgers[key.type_url]
        entry = ledger.entries.get(key.name)
        if endpoints and self._lingers(ledger, key.name) and not _has_endpoints(resource):
            return
        if resource is not None or entry is None or not entry.told_version:
            ledger.want(key.name, resource, now)
        if not endpoints:
            self.account(key, now)

    def _lingers(self, ledger: Ledger, cluster: str) -> bool:
        """Whether the proxy has something of a cluster that serves only what is about to be replaced."""
        entry = ledger.entries.get(cluster)
        return entry is not None and bool(entry.told_version) and not self.uses.desired(cluster)

    def _listen(self, now: float) -> None:
        listeners = self.snapshot.listeners()
        self.need(_LISTENERS, self.snapshot.eager_clusters(), now)
        if listeners is self._listeners:
            return
        self._listeners = listeners
        hosts = frozenset[str]().union(*(listener.hosts for listener in listeners))
        self.interest.follow(_LISTENERS, hosts if listeners else frozenset((ANY_HOST,)))  # any host may bring a gateway its first
        for listener in listeners:
            self.ledgers[LISTENER].want(listener.name, listener, now)
        self._entitle((name for listener in listeners for name in listener.secrets), now)
        self.close_listeners(now)

    def close_listeners(self, now: float) -> None:
        """Takes back the listeners that are told or held but not wanted."""
        ledger = self.ledgers[LISTENER]
        wanted = {listener.name for listener in self._listeners or ()}
        for name, entry in tuple(ledger.entries.items()):
            if name not in wanted and entry.told_version:
                ledger.want(name, None, now)
            elif name not in wanted:
                ledger.forget(name)
            self.account(Key(LISTENER, name), now)

    def virtual_host(self, asked: str, now: float, *, waiting: bool = False, adopting: bool = False) -> None:
        """The virtual host that answers an asked name. `waiting`: whoever asked must be answered, even if nothing is new.
        `adopting`: the proxy may have the answer from an earlier stream."""
        route_config, _, host = asked.rpartition("/")
        resource = self.snapshot.virtual_host(route_config, host)
        self.interest.follow(Key(VIRTUAL_HOST, asked), resource.hosts)
        for touched in self.virtual_hosts.assign(asked, resource, now, waiting=waiting, adopting=adopting):
            self.account(Key(VIRTUAL_HOST, touched), now)
        refused = refused_clusters(resource, self.ledgers[CLUSTER])
        if refused and len(refused) == len(set(resource.clusters)) and self.virtual_hosts.asked[asked] == resource.name:
            self._without_clusters(resource, refused[0], now)
        for lost in self.virtual_hosts.forgotten:
            self.interest.drop(Key(VIRTUAL_HOST, lost))
        self.virtual_hosts.forgotten.clear()

    def _without_clusters(self, resource: EnvoyResource, cluster: str, now: float) -> None:
        """Every cluster of a virtual host was refused: what was held goes on, and who has nothing is told why."""
        entry = self.ledgers[VIRTUAL_HOST].entries[resource.name]
        if entry.held is not None:
            self.ledgers[VIRTUAL_HOST].instead(resource.name, entry.held, now)
        rejection = self.ledgers[CLUSTER].rejections.get(cluster)
        self.stand_in(resource.name, f"Cluster {cluster}", "" if rejection is None else rejection.message, now)

    def stand_in(self, name: str, offender: str, reason: str, now: float) -> None:
        """Somebody waits for a virtual host that cannot be had: tell them why. One that was held before goes on instead."""
        if not self.ledgers[VIRTUAL_HOST].entries[name].held_version:
            hosts = self.virtual_hosts.hosts(name)
            self.ledgers[VIRTUAL_HOST].instead(name, rejected_virtual_host(name, hosts, offender, reason[:1000]), now)
        self.account(Key(VIRTUAL_HOST, name), now)

    def cluster_refused(self, cluster: str, now: float) -> None:
        """The proxy refused a cluster: what sends traffic to it may have to say so instead."""
        if cluster in self.explicit and not self.ledgers[CLUSTER].entries[cluster].held_version:
            self.ledgers[CLUSTER].instead(cluster, empty_cluster(cluster), now)
        for asked, name in tuple(self.virtual_hosts.asked.items()):
            wanted = self.ledgers[VIRTUAL_HOST].entries[name].wanted
            if wanted is not None and cluster in wanted.clusters:
                self.virtual_host(asked, now)

    # What is followed

    def ask_cluster(self, name: str, now: float) -> None:
        """The proxy asked a cluster by name, because a request names one that it does not hold."""
        self.explicit.add(name)
        self.need(Key(CLUSTER, name), (name,), now)
        self._cluster(Key(CLUSTER, name), now)

    def drop(self, key: Key, now: float) -> None:
        """The proxy does not ask for `key` any more."""
        if key.type_url == CLUSTER:
            self.explicit.discard(key.name)
            self.uses.set(key, (), now)
            return
        self.interest.drop(key)
        if key.type_url != VIRTUAL_HOST:
            self.ledgers[key.type_url].forget(key.name)
            self.account(key, now)
            return
        for touched in self.virtual_hosts.drop(key.name):
            self.account(Key(VIRTUAL_HOST, touched), now)

    def account(self, key: Key, now: float) -> None:
        """Takes note of the clusters that a listener, route configuration or virtual host names."""
        if key.type_url in (SECRET, CLUSTER, ENDPOINTS):
            return
        entry = self.ledgers[key.type_url].entries.get(key.name)
        clusters, hold = named_clusters(entry) if entry is not None else (frozenset[str](), 0.0)
        self.need(key, clusters, now, hold, desired_clusters(entry) if entry is not None else ())

    def need(
        self, key: Key, clusters: Iterable[str], now: float, hold: float = 0.0, desired: Iterable[str] | None = None
    ) -> None:
        """`key` names exactly `clusters`, and should name `desired` (None: the same)."""
        for name in self.uses.set(key, clusters, now, hold, desired=desired):
            self._cluster(Key(CLUSTER, name), now)
            if name in self.ledgers[ENDPOINTS].entries:
                self._named(Key(ENDPOINTS, name), now)

    def leave(self, cluster: str) -> bool:
        """A cluster nobody uses goes; whether the proxy must be told. Envoy then drops its endpoints' subscription too."""
        self.interest.drop(Key(CLUSTER, cluster))
        self.ledgers[ENDPOINTS].forget(cluster)
        self.interest.drop(Key(ENDPOINTS, cluster))
        entry = self.ledgers[CLUSTER].entries.get(cluster)
        if entry is not None and entry.told_version:
            return True
        self.ledgers[CLUSTER].forget(cluster)
        return False


def _users_first(key: Key) -> tuple[int, Key]:
    """What names clusters is looked up before these, since it decides which of them linger; what names secrets before those."""
    return (2 if key.type_url == SECRET else 1 if key.type_url in (CLUSTER, ENDPOINTS) else 0), key


def _has_endpoints(resource: EnvoyResource | None) -> bool:
    return resource is not None and any(
        locality.lb_endpoints for locality in ClusterLoadAssignment.FromString(resource.body).endpoints
    )


def _hosts(resource: EnvoyResource | None, name: str) -> frozenset[str]:
    """On which hosts an answer depends; where there is none, on the host in the name."""
    if resource is not None:
        return resource.hosts
    outbound = parse_outbound(name)
    return frozenset() if outbound is None else frozenset({outbound[2]})
