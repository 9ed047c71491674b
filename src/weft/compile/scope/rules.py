"""From the rules of a RouteSet to the routes one caller gets: matches that cannot concern it dropped, destinations resolved.

A route is named after the rule's resource and name, or a digest of its match: never after its place in the list. A
destination that does not exist is answered with words instead of an empty 503.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import pairwise
from math import lcm

from weft.compile.scope.destinations import Caller, Missing, Reached, Share, forwards, reached, shares
from weft.compile.scope.inputs import FallbackInput, MirrorTarget, RouteInput, Split, Target
from weft.envoy.names import fallback_cluster, parse_outbound, with_fallback
from weft.model.defaults import NO_DEFAULTS, Defaults
from weft.model.labels import selects
from weft.model.mesh import Mesh
from weft.model.precedence import MESH, defaults, service
from weft.model.route import (
    FROM_REQUEST_PORT,
    Destination,
    DirectResponse,
    Forward,
    HttpMatch,
    HttpRoute,
    L4Match,
    L4Route,
    Mirror,
    PathPrefix,
    Prefix,
    Redirect,
    RouteSet,
    WeightedDestination,
)
from weft.model.service import Resolution
from weft.model.traffic import HashKey, HashOnCaller, HashOnSourceIp, PortPolicy, Tunnel
from weft.ref import Ref

_LARGEST_TOTAL = 2**32 - 1  # Envoy's limit of the sum of weights


@dataclass(slots=True)
class Sight:
    """What one caller's rules are resolved in; it notes every host and policy met on the way."""

    mesh: Mesh
    caller: Caller
    port: int
    hosts: set[str] = field(default_factory=set)
    origins: set[Ref] = field(default_factory=set)

    def reach(self, to: Destination) -> Reached | Missing:
        """The destination, noted."""
        self.hosts.add(to.host)
        found = reached(self.mesh, self.caller, to, self.port)
        if isinstance(found, Reached):
            self.origins.update(found.origins)
            self.hosts |= {found.service.hostname, found.service.backed_by}
        return found

    def defaults(self, destinations: Iterable[WeightedDestination]) -> Defaults:
        """What holds for requests to these when nobody said otherwise: in the namespace of the first that exists."""
        if not self.mesh.defaults:
            return NO_DEFAULTS
        for one in destinations:
            if found := service(self.mesh, one.destination.host, self.caller.namespace):
                return defaults(self.mesh, found.namespace)
        return NO_DEFAULTS


def http_routes(sight: Sight, rules: RouteSet) -> tuple[RouteInput, ...]:
    """The routes of `rules` for the caller, in order, up to the first that matches everything."""
    sight.origins.add(rules.origin)
    routes: list[RouteInput] = []
    for rule in rules.http:
        sight.origins.add(rule.origin.resource)
        for match in _matches(sight, rule):
            routes.append(_route(sight, rule, match))
            if matches_all(routes[-1].match):
                return tuple(routes)
    return tuple(routes)


def matches_all(match: object) -> bool:
    """Whether every request but CONNECT matches."""
    if not isinstance(match, HttpMatch) or match.path not in (None, Prefix("/"), PathPrefix("/")):
        return False
    return not (match.scheme or match.method or match.authority or match.headers or match.query_params)


def _matches(sight: Sight, rule: HttpRoute) -> Iterator[HttpMatch]:
    """The matches that can hold for the caller, without what has been decided here."""
    if not rule.matches:
        yield HttpMatch()
    for match in rule.matches:
        if _concerns(sight, match):
            yield replace(match, port=None, gateways=(), source_labels=(), source_namespace="")


def _concerns(sight: Sight, match: HttpMatch | L4Match) -> bool:
    caller = sight.caller
    return (
        (not match.gateways or caller.gateway in match.gateways)
        and (match.port is None or match.port == sight.port)
        and (not match.source_namespace or match.source_namespace == caller.namespace)
        and selects(match.source_labels, caller.labels)
    )


def _route(sight: Sight, rule: HttpRoute, match: HttpMatch) -> RouteInput:
    action: Split | Redirect | DirectResponse
    keys: tuple[HashKey, ...] = ()
    usual = NO_DEFAULTS
    if isinstance(rule.action, Forward):
        action, keys = forward(sight, rule.action.destinations, rule.origin, fixed=rule.sticky is not None)
        usual = sight.defaults(rule.action.destinations)
    elif isinstance(rule.action, Redirect) and rule.action.derive_port == FROM_REQUEST_PORT:
        action = replace(rule.action, port=_unless_default(rule.action.scheme, sight.port), derive_port="")
    else:
        action = rule.action
    return RouteInput(
        name=route_name(rule.origin, rule.name, match),
        origin=rule.origin,
        match=replace(match, stat_prefix="") if match.stat_prefix else match,
        stat_prefix=match.stat_prefix,
        action=action,
        rewrite=rule.rewrite,
        timeout=usual.timeout if rule.timeout is None else rule.timeout,
        retries=rule.retries or usual.retries,
        fault=rule.fault,
        cors=rule.cors,
        mirrors=tuple(target for mirror in rule.mirrors for target in _mirrored(sight, mirror)),
        hash_keys=keys,
        sticky=_seen_key(sight, rule.sticky) if rule.sticky else None,
        request_headers=rule.request_headers,
        response_headers=rule.response_headers,
        session=rule.session,
    )


def _unless_default(scheme: str, port: int) -> int | None:
    """A port that has to be written in a URL."""
    return None if not port or port == {"https": 443, "http": 80}.get(scheme) else port


def route_name(origin: Ref, name: str, match: object) -> str:
    """`namespace/resource/rule`; a rule without a name gets a digest of its match."""
    return f"{origin.namespace}/{origin.name}/{name or blake2b(repr(match).encode(), digest_size=5).hexdigest()}"


def forward(
    sight: Sight, destinations: tuple[WeightedDestination, ...], origin: Ref, fixed: bool = False
) -> tuple[Split | DirectResponse, tuple[HashKey, ...]]:
    """Where the destinations send, and what requests are hashed by. One that is missing keeps its share, which then fails; when
    all are missing the answer says why. `fixed`: weights always have the same sum, so that a part that grows takes from its
    neighbours only."""
    found: list[tuple[WeightedDestination, Reached]] = []
    answered: dict[int, int] = {}
    missing: list[str] = []
    weights = [(one, one.weight if len(destinations) > 1 else 1) for one in destinations]
    for one, weight in weights:
        if not weight:
            continue
        if one.answer:
            answered[one.answer] = answered.get(one.answer, 0) + weight
            continue
        there = sight.reach(one.destination)
        if isinstance(there, Missing):
            missing.append(there.why)
        else:
            found.append((replace(one, weight=weight), there))
    if not found:
        return unreachable(origin, missing), ()
    keys = tuple(dict.fromkeys(_seen_key(sight, there.hash_key) for _, there in found if there.hash_key))
    if missing:
        answered[0] = sum(weight for _, weight in weights) - sum(one.weight for one, _ in found) - sum(answered.values())
    return Split(_targets(sight, found, answered, fixed)), keys


def unreachable(origin: Ref, missing: list[str]) -> DirectResponse:
    """The answer of a route whose destinations do not exist."""
    why = "; ".join(dict.fromkeys(missing)) or "every destination has weight 0"
    return DirectResponse(503, f"weft: {origin} sends nowhere: {why}\n".encode(), "text/plain")


def _tunnel(of: Reached) -> Tunnel | None:
    """Requests are not put into a tunnel, as in Istio; connections are."""
    return None if of.port.protocol.is_http else of.policy.tunnel


def _targets(
    sight: Sight, found: list[tuple[WeightedDestination, Reached]], lost: dict[int, int], fixed: bool
) -> tuple[Target, ...]:
    """`lost` are the weights of what is not sent, by the status it is answered with; 0: that of a cluster without endpoints."""
    parts: list[tuple[WeightedDestination, Reached, Share, Fraction]] = [
        (one, there, share, one.weight * share.weight) for one, there in found for share in shares(there)
    ]
    weights = [weight for *_, weight in parts] + [Fraction(weight) for weight in lost.values()]
    whole = _of_a_million(weights) if fixed and len(weights) > 1 else _integers(weights)
    others = {there.key: fallbacks(sight, there) for _, there in found}
    targets = [
        _target(one, there, share, weight, others[there.key])
        for (one, there, share, _), weight in zip(parts, whole, strict=False)
    ]
    targets += [Target(NOWHERE, weight, answer=status) for status, weight in zip(lost, whole[len(parts) :], strict=True)]
    return tuple(target for target in targets if target.weight)


def _target(one: WeightedDestination, of: Reached, share: Share, weight: int, others: tuple[str, ...]) -> Target:
    target = Target(share.cluster, weight, one.request_headers, one.response_headers, share.dial, tunnel=_tunnel(of))
    if not others:
        return target
    return replace(target, cluster=fallback_cluster(share.cluster), members=(share.cluster, *others))


def fallbacks(sight: Sight, of: Reached) -> tuple[str, ...]:
    """The clusters that answer for a destination when nobody there can. A fallback has none itself, and one that does not exist
    is left out. Names that are resolved when they are called have no health: they neither have a fallback nor are one."""
    if of.rule is None or not of.rule.fallbacks or _is_resolved(of):
        return ()
    found: list[str] = []
    sight = Sight(sight.mesh, sight.caller, of.port.number, sight.hosts, sight.origins)
    for one in of.rule.fallbacks:
        there = sight.reach(Destination(one.host, one.subset, one.port))
        if isinstance(there, Reached) and not _is_resolved(there):
            found += [share.cluster for share in sorted(shares(there), key=lambda share: (-share.weight, share.cluster))]
    own = {share.cluster for share in shares(of)}
    return tuple(name for name in dict.fromkeys(found) if name not in own)


def _is_resolved(of: Reached) -> bool:
    return of.service.resolution is Resolution.NONE or forwards(of)


def fallback(mesh: Mesh, caller: Caller, name: str) -> FallbackInput | None:
    """The cluster `name` of a destination with fallbacks; None when it is not the name of one."""
    own = with_fallback(name)
    parsed = parse_outbound(own)
    if parsed is None:
        return None
    number, subset, host = parsed
    sight = Sight(mesh, caller, number)
    there = sight.reach(Destination(host, subset, number))
    others = fallbacks(sight, there) if isinstance(there, Reached) else ()
    policy = there.policy if isinstance(there, Reached) else PortPolicy()
    return FallbackInput(name, (own, *others), policy, frozenset(sight.hosts), tuple(sorted(sight.origins)))


NOWHERE = "BlackHoleCluster"
"""Gets the share of a destination that does not exist: a cluster without endpoints."""


def _integers(weights: list[Fraction]) -> list[int]:
    """Whole numbers in the same proportion, as small as they can be and within Envoy's limit."""
    if len(weights) == 1:
        return [1]
    scale = lcm(*(weight.denominator for weight in weights))
    whole = [int(weight * scale) for weight in weights]
    while sum(whole) > _LARGEST_TOTAL:
        whole = [-(-weight // 2) for weight in whole]
    return whole


def _of_a_million(weights: list[Fraction]) -> list[int]:
    """Whole numbers in about the same proportion that add up to a million: bounds stay where they are when others move."""
    bounds = [round(sum(weights[:count], Fraction()) * 1_000_000 / sum(weights)) for count in range(len(weights) + 1)]
    return [after - before for before, after in pairwise(bounds)]


def _seen_key(sight: Sight, key: HashKey) -> HashKey:
    """What can be told of a caller: behind a sidecar all connections have one address, at a gateway nobody has a workload."""
    if sight.caller.gateway != MESH:
        return HashOnSourceIp() if isinstance(key, HashOnCaller) else key
    return HashOnCaller() if isinstance(key, HashOnSourceIp) else key


def _mirrored(sight: Sight, mirror: Mirror) -> Iterator[MirrorTarget]:
    there = sight.reach(mirror.destination)
    if isinstance(there, Reached) and mirror.percent:
        largest = max(shares(there), key=lambda share: (share.weight, share.cluster))
        yield MirrorTarget(largest.cluster, mirror.percent)


def plain_forward(sight: Sight, host: str, origin: Ref) -> tuple[Split | DirectResponse, tuple[HashKey, ...]]:
    """Where the service `host` itself is, on the port asked for: what happens when nobody said otherwise."""
    return forward(sight, (WeightedDestination(Destination(host, "", sight.port)),), origin)


def l4_targets(
    sight: Sight, routes: tuple[L4Route, ...], sni: str = "", addresses: tuple[str, ...] = ()
) -> tuple[L4Route, tuple[Target, ...]] | None:
    """The first L4 rule that concerns the caller (and `sni`, when the rule asks for one), and where it sends. `addresses` are
    what the connection may be for, as far as it is known."""
    for route in routes:
        fits = [match for match in route.matches if _concerns(sight, match) and _is_for(match, sni, addresses)]
        if fits or not route.matches:
            return route, l4_split(sight, route)
    return None


def _is_for(match: L4Match, sni: str, addresses: tuple[str, ...]) -> bool:
    if match.sni_hosts and sni not in match.sni_hosts:
        return False
    return not match.destination_subnets or any(within(one, match.destination_subnets) for one in addresses)


def within(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an IP address, or a range of them, is in one of `networks`."""
    own = ip_network(address, strict=False)
    return any(own.version == one.version and own.subnet_of(one) for one in map(_network, networks))  # type: ignore[arg-type]


def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)


def l4_split(sight: Sight, route: L4Route) -> tuple[Target, ...]:
    """Where an L4 rule sends; nothing when it names nothing that exists."""
    action, _ = forward(sight, route.destinations, route.origin)
    return action.targets if isinstance(action, Split) else ()


def l4_concerns(sight: Sight, match: L4Match) -> bool:
    """Whether the match can hold for the caller."""
    return _concerns(sight, match)
