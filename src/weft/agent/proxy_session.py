"""Between one Envoy and the control plane: the delta xDS conversation of both sides, without I/O.

What the Envoy's stream asked for is what counts; the control plane's stream is opened anew from it as often as needed
(https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds). The Envoy sees nonces of ours, with
the number of the upstream stream in them, so that an acknowledgement never reaches a stream that did not send the
response. While there is no upstream stream, answers come from what was held, or say that the control plane is away.
Times are seconds of one monotonic clock.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from envoy.config.route.v3 import route_components_pb2
from envoy.service.discovery.v3 import discovery_pb2

from weft.agent import offline
from weft.agent.held import Held, HeldResource, claimed, versions
from weft.envoy.types import CLUSTER, LISTENER, SECRET, VIRTUAL_HOST, TypeUrl
from weft.xds.delta import text_field

GRACE = 0.3
"""How long a question waits for an upstream stream before it is answered in the control plane's place."""

PATIENCE = 0.5
"""How long a caller's question may stay unanswered on an upstream stream before the control plane is doubted."""

_WILDCARD = "*"
_ON_DEMAND = (VIRTUAL_HOST, CLUSTER)  # what is asked for because a caller waits
_NONCE, _REMOVED, _REQUEST_NONCE = 5, 6, 6  # field numbers in DeltaDiscoveryResponse and DeltaDiscoveryRequest


@dataclass(slots=True)
class _Subscription:
    """One type of the Envoy's stream. `waiting` has the names asked and not answered, with when; `stopgaps` the resources
    made here that the Envoy holds, with their domains."""

    wildcard: bool = False
    names: dict[str, None] = field(default_factory=dict)
    waiting: dict[str, float] = field(default_factory=dict)
    stopgaps: dict[str, str] = field(default_factory=dict)
    told: bool = False  # the current upstream stream has had its first request


@dataclass(frozen=True, slots=True)
class _Pending:
    """A response the Envoy has not acknowledged. `epoch` 0: made here."""

    epoch: int
    nonce: str
    type_url: TypeUrl
    resources: dict[str, HeldResource]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rejection:
    """The Envoy refused a response; it goes on with what it held."""

    type_url: TypeUrl
    names: tuple[str, ...]
    message: str


class Rebind(Protocol):
    """Where a proxy's listeners listen, when it is not where they say."""

    def rebound(self, body: bytes) -> bytes:
        """The serialized listener `body` as the Envoy is to see it."""

    def removed(self, names: Iterable[str]) -> None:
        """The Envoy lets go of the listeners of these names."""


class ProxySession:
    """One Envoy's stream. Each method takes what happened; `to_envoy` and `to_upstream` then hold what is to be sent.

    `remembered` is what this Envoy's predecessor held. `rebind` changes listeners before the Envoy sees them.
    """

    def __init__(self, remembered: Held, now: float, rebind: Rebind | None = None) -> None:
        self.to_envoy: list[bytes] = []
        self.to_upstream: list[bytes] = []
        self.held: Held = {}
        self.changed = False  # what is to be remembered has changed since it was last taken
        self.rejections: list[Rejection] = []
        self._remembered = dict(remembered)
        self._rebind = rebind
        self._node: discovery_pb2.DeltaDiscoveryRequest | None = None
        self._types: dict[TypeUrl, _Subscription] = {}
        self._pending: dict[str, _Pending] = {}
        self._epoch = 0
        self._counter = 0
        self._offline_since: float | None = now
        self._trusted_until = 0.0

    @property
    def connected(self) -> bool:
        """Whether there is an upstream stream."""
        return self._offline_since is None

    def record(self) -> Held:
        """All that a successor of this Envoy is to be given while the control plane is away."""
        self.changed = False
        return {
            type_url: {**self._remembered.get(type_url, {}), **self.held.get(type_url, {})}
            for type_url in self._remembered.keys() | self.held.keys()
        }

    # From the Envoy

    def request(self, raw: bytes, now: float) -> None:
        """A request came from the Envoy."""
        request = discovery_pb2.DeltaDiscoveryRequest.FromString(raw)
        type_url = TypeUrl(request.type_url)
        if self._node is None and request.HasField("node"):
            self._node = discovery_pb2.DeltaDiscoveryRequest(node=request.node)
        subscription = self._types.get(type_url)
        first = subscription is None
        if subscription is None:
            subscription = self._types[type_url] = _Subscription()
            self._claim(type_url, subscription, dict(request.initial_resource_versions))
        pending = self._acknowledge(request)
        self._subscribe(type_url, subscription, request, first, now)
        if not self.connected:
            self.time(now)
        elif not subscription.told:
            self._open(type_url, subscription)
        else:
            self._forward(raw, request, pending)

    def _claim(self, type_url: TypeUrl, subscription: _Subscription, names: dict[str, str]) -> None:
        for name, version in list(names.items()):
            if version == offline.VERSION:
                subscription.stopgaps[name] = name.partition("/")[2]
                del names[name]
        if names:
            self.held[type_url] = claimed(names, self._remembered.pop(type_url, {}))

    def _acknowledge(self, request: discovery_pb2.DeltaDiscoveryRequest) -> _Pending | None:
        pending = self._pending.pop(request.response_nonce, None)
        if pending is None:
            return None
        if request.HasField("error_detail"):
            self.rejections.append(Rejection(pending.type_url, tuple(pending.resources), request.error_detail.message))
            return pending
        held = self.held.setdefault(pending.type_url, {})
        for name in pending.removed:
            held.pop(name, None)
        held.update(pending.resources)
        if pending.epoch:
            self._remembered.pop(pending.type_url, None)
        self.changed = True
        return pending

    def _subscribe(
        self,
        type_url: TypeUrl,
        subscription: _Subscription,
        request: discovery_pb2.DeltaDiscoveryRequest,
        first: bool,
        now: float,
    ) -> None:
        held = self.held.get(type_url, {})
        asked = list(request.resource_names_subscribe)
        if first and not asked:
            asked = [_WILDCARD]
        known = held.keys() | set(_aliases(held.values())) if first else held.keys()
        for name in asked:
            if name == _WILDCARD:
                subscription.wildcard = True
            else:
                subscription.names[name] = None
            if name not in known and not (name == _WILDCARD and held):
                subscription.waiting[name] = now
        for name in request.resource_names_unsubscribe:
            self._unsubscribe(type_url, subscription, name)

    def _unsubscribe(self, type_url: TypeUrl, subscription: _Subscription, name: str) -> None:
        subscription.names.pop(name, None)
        subscription.waiting.pop(name, None)
        if name == _WILDCARD:
            subscription.wildcard = False
        elif not subscription.wildcard and name in self.held.get(type_url, {}):
            del self.held[type_url][name]
            self.changed = True

    def _forward(self, raw: bytes, request: discovery_pb2.DeltaDiscoveryRequest, pending: _Pending | None) -> None:
        current = pending is not None and pending.epoch == self._epoch
        if current and pending is not None:
            self.to_upstream.append(raw + text_field(_REQUEST_NONCE, pending.nonce))
        elif request.resource_names_subscribe or request.resource_names_unsubscribe:
            request.response_nonce = ""
            request.ClearField("error_detail")
            self.to_upstream.append(request.SerializeToString())

    # From the control plane

    def opened(self) -> None:
        """An upstream stream is there: it is asked for all the Envoy asked, and told what it holds."""
        self._epoch += 1
        self._offline_since = None
        for subscription in self._types.values():
            subscription.told = False
        for type_url, subscription in self._types.items():
            self._open(type_url, subscription)

    def _open(self, type_url: TypeUrl, subscription: _Subscription) -> None:
        names = list(subscription.names)
        if subscription.wildcard:
            names.insert(0, _WILDCARD)
        elif not names and type_url == SECRET:
            return  # it would ask for all
        request = discovery_pb2.DeltaDiscoveryRequest(
            type_url=type_url,
            resource_names_subscribe=() if names == [_WILDCARD] else names,
            initial_resource_versions=versions(self.held.get(type_url, {})),
        )
        if self._node is not None and not any(other.told for other in self._types.values()):
            request.MergeFrom(self._node)
        subscription.told = True
        self.to_upstream.append(request.SerializeToString())

    def lost(self, now: float) -> None:
        """The upstream stream ended. The Envoy is not told."""
        if self.connected:
            self._offline_since = now

    def response(self, raw: bytes) -> None:
        """A response came from the control plane."""
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(raw)
        type_url = TypeUrl(response.type_url)
        subscription = self._types.get(type_url) or _Subscription()
        resources = {resource.name: _held(resource) for resource in response.resources}
        subscription.waiting.pop(_WILDCARD, None)
        for name in (*resources, *response.removed_resources, *_aliases(resources.values())):
            subscription.waiting.pop(name, None)
            subscription.waiting.pop(name.partition("/")[0], None)  # a whole route configuration's virtual hosts
        superseded = self._superseded(subscription, response) if subscription.stopgaps else ()
        if type_url == LISTENER and self._rebind is not None:
            raw = self._rebound(response)
        nonce = self._note(self._epoch, response.nonce, type_url, resources, tuple(response.removed_resources))
        suffix = b"".join(text_field(_REMOVED, name) for name in superseded)
        self.to_envoy.append(raw + suffix + text_field(_NONCE, nonce))

    def _superseded(self, subscription: _Subscription, response: discovery_pb2.DeltaDiscoveryResponse) -> tuple[str, ...]:
        """The stopgaps to remove with this response: those whose domain, or asked name, it serves by another name."""
        gone: list[str] = []
        for resource in response.resources:
            subscription.stopgaps.pop(resource.name, None)
            served = {alias.partition("/")[2] for alias in resource.aliases}
            if response.type_url == VIRTUAL_HOST:
                served.update(route_components_pb2.VirtualHost.FromString(resource.resource.value).domains)
            gone += [name for name, domain in subscription.stopgaps.items() if domain and domain in served]
        for name in gone:
            subscription.stopgaps.pop(name, None)
        return tuple(dict.fromkeys(gone))

    def _rebound(self, response: discovery_pb2.DeltaDiscoveryResponse) -> bytes:
        if self._rebind is not None:
            self._rebind.removed(response.removed_resources)
            for resource in response.resources:
                resource.resource.value = self._rebind.rebound(resource.resource.value)
        return bytes(response.SerializeToString())

    def _note(
        self, epoch: int, nonce: str, type_url: TypeUrl, resources: dict[str, HeldResource], removed: tuple[str, ...]
    ) -> str:
        self._counter += 1
        ours = f"{epoch}.{self._counter}"
        self._pending[ours] = _Pending(epoch, nonce, type_url, resources, removed)
        return ours

    # Alone

    def deadline(self) -> float | None:
        """When `time` or `doubts` is to be asked next, if nothing else happens; None: not before something does."""
        if self._offline_since is None:
            waiting = [asked for _, _, asked in self._callers()]
            return max(min(waiting) + PATIENCE, self._trusted_until) if waiting else None
        asked = [at for subscription in self._types.values() for at in subscription.waiting.values()]
        return max(self._offline_since, min(asked)) + GRACE if asked else None

    def time(self, now: float) -> None:
        """Answers what has waited long enough for a control plane that is away."""
        if self._offline_since is None or now < self._offline_since + GRACE:
            return
        for type_url, subscription in self._types.items():
            due = [name for name, asked in subscription.waiting.items() if now >= asked + GRACE or self._has(type_url, name)]
            for name in due:
                del subscription.waiting[name]
            self._stand_in(type_url, subscription, due)

    def _callers(self) -> Iterator[tuple[TypeUrl, str, float]]:
        """What callers wait for: type, name, when it was asked."""
        for type_url in _ON_DEMAND:
            subscription = self._types.get(type_url)
            for name, asked in subscription.waiting.items() if subscription else ():
                if name != _WILDCARD and (type_url != VIRTUAL_HOST or "/" in name):
                    yield type_url, name, asked

    def doubts(self, now: float) -> bool:
        """Whether a caller waits for so long that it should be found out whether the control plane still answers."""
        return self.connected and now >= self._trusted_until and any(now >= at + PATIENCE for _, _, at in self._callers())

    def trust(self, now: float) -> None:
        """It does: callers go on waiting."""
        self._trusted_until = now + PATIENCE

    def distrust(self, now: float) -> None:
        """It does not: callers that waited long enough are answered. The stream stays, and may still bring the answer."""
        due = [(type_url, name) for type_url, name, asked in self._callers() if now >= asked + PATIENCE]
        for type_url in _ON_DEMAND:
            names = [name for kind, name in due if kind == type_url]
            for name in names:
                del self._types[type_url].waiting[name]
            if names:
                self._stand_in(type_url, self._types[type_url], names)

    def _has(self, type_url: TypeUrl, name: str) -> bool:
        return name == _WILDCARD or name in self._remembered.get(type_url, {})

    def _stand_in(self, type_url: TypeUrl, subscription: _Subscription, due: Iterable[str]) -> None:
        resources: dict[str, discovery_pb2.Resource] = {}
        for name in due:
            found = self._recalled(type_url, name)
            for resource in found:
                resources[resource.name] = resource
                subscription.names.update(dict.fromkeys(resource.aliases))
            if not found and (stopgap := _made(type_url, name)) is not None:
                resources[stopgap.name] = stopgap
                subscription.stopgaps[stopgap.name] = stopgap.name.partition("/")[2]
        if not resources:
            return
        real = {name: _held(resource) for name, resource in resources.items() if resource.version != offline.VERSION}
        response = discovery_pb2.DeltaDiscoveryResponse(type_url=type_url, resources=resources.values())
        response.nonce = self._note(0, "", type_url, real, ())
        self.to_envoy.append(self._rebound(response) if type_url == LISTENER else response.SerializeToString())

    def _recalled(self, type_url: TypeUrl, name: str) -> list[discovery_pb2.Resource]:
        """What the predecessor held of that name: everything for the wildcard and for a whole route configuration."""
        remembered = self._remembered.get(type_url, {})
        held = self.held.get(type_url, {})
        if name == _WILDCARD:
            return [_resource(item) for key, item in remembered.items() if item.body and key not in held]
        if type_url != VIRTUAL_HOST:
            return [_resource(remembered[name])] if name in remembered and remembered[name].body else []
        routes, _, host = name.partition("/")
        hosts = [_resource(item) for key, item in remembered.items() if item.body and key.startswith(f"{routes}/")]
        if not host:
            return hosts
        return [_also(item, name) for item in hosts if _answers(item, name, host)][:1]


def _answers(resource: discovery_pb2.Resource, name: str, host: str) -> bool:
    if name == resource.name or name in resource.aliases:
        return True
    return host in route_components_pb2.VirtualHost.FromString(resource.resource.value).domains


def _also(resource: discovery_pb2.Resource, name: str) -> discovery_pb2.Resource:
    if name != resource.name and name not in resource.aliases:
        resource.aliases.append(name)
    return resource


def _made(type_url: TypeUrl, name: str) -> discovery_pb2.Resource | None:
    return None if name == _WILDCARD else offline.stopgap(type_url, name)


def _held(resource: discovery_pb2.Resource) -> HeldResource:
    return HeldResource(resource.version, resource.SerializeToString(), tuple(resource.aliases))


def _resource(held: HeldResource) -> discovery_pb2.Resource:
    return discovery_pb2.Resource.FromString(held.body)


def _aliases(resources: Iterable[HeldResource]) -> Iterable[str]:
    return (alias for resource in resources for alias in resource.aliases)
