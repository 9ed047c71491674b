"""One domain never belongs to two virtual hosts that an Envoy holds: it would refuse them all."""

from dataclasses import dataclass, field

from conversation import Conversation
from envoy.config.route.v3.route_components_pb2 import VirtualHost

from weft.envoy.types import VIRTUAL_HOST, EnvoyResource, envoy_resource
from weft.model.mesh import Change
from weft.ref import Ref
from weft.testing.tiny_snapshot import TinyService, TinySnapshot

REVIEWS = TinyService("reviews", {"": (1,)})


@dataclass(frozen=True)
class Claims(TinySnapshot):
    """A mesh whose virtual hosts claim what they are told to: canonical name to domains and clusters."""

    claims: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)

    def virtual_host(self, route_config: str, host: str) -> EnvoyResource:
        name = next(name for name, (domains, _) in self.claims.items() if host == name or host in domains)
        domains, clusters = self.claims[name]
        message = VirtualHost(name=f"{route_config}/{name}", domains=domains)
        for cluster in clusters:
            message.routes.add(match={"prefix": "/"}, route={"cluster": cluster})
        origin = Ref("", "Service", "default", name)
        return envoy_resource(VIRTUAL_HOST, message.name, message, clusters=clusters, hosts=frozenset({name}), origins=(origin,))


def talking(**claims: tuple[tuple[str, ...], tuple[str, ...]]) -> Conversation:
    """A conversation about these claims."""
    talk = Conversation()
    talk.mesh = Claims((REVIEWS,), 1, claims=claims)
    talk.connect()
    return talk


def claim(talk: Conversation, **claims: tuple[tuple[str, ...], tuple[str, ...]]) -> list[str]:
    """From now on the claims are these."""
    talk.mesh = Claims((REVIEWS,), 1, claims=claims)
    return talk._deliver(talk.session.update(talk.mesh, Change(everything=True), talk.now))


def domains(talk: Conversation) -> dict[str, list[str]]:
    """What each virtual host of the Envoy has."""
    held = {name.removeprefix("http_proxy/"): list(host.domains) for name, host in talk.envoy.hosts.items()}
    return {name: sorted(names) for name, names in held.items() if "|" not in name}


def test_who_has_a_domain_keeps_it() -> None:
    """A second virtual host that claims it is told without it, and the conflict is counted."""
    talk = talking(a=(("a", "both"), ()), b=(("b", "both"), ()))
    talk.call("b")
    talk.call("a")
    assert domains(talk) == {"a": ["a"], "b": ["b", "both"]}
    assert talk.session.status().conflicts == 1
    assert not [line for line in talk.said if "NACK" in line]


def test_of_two_new_ones_the_first_by_name_gets_it() -> None:
    """The order in which they were asked decides nothing."""
    talk = talking(a=(("a", "both"), ()), b=(("b", "both"), ()))
    talk.call("b", "a")
    assert domains(talk) == {"a": ["a", "both"], "b": ["b"]}


def test_a_domain_moves_in_one_response() -> None:
    """Who loses it and who gains it are told together."""
    talk = talking(a=(("a", "moving"), ()), b=(("b",), ()))
    talk.call("a", "b")
    assert claim(talk, a=(("a",), ()), b=(("b", "moving"), ())) == ["< VirtualHost a(a) b(b)"]
    assert domains(talk) == {"a": ["a"], "b": ["b", "moving"]}


def test_who_gains_a_domain_waits_for_who_loses_it() -> None:
    """The loser's new version waits for the endpoints of a cluster; the gainer, though ready, goes with it."""
    talk = talking(a=(("a", "moving"), ()), b=(("b",), ()))
    talk.call("a", "b")
    talk.muted = {"Endpoints"}
    claim(talk, a=(("a",), (REVIEWS.cluster(""),)), b=(("b", "moving"), ()))
    assert domains(talk) == {"a": ["a", "moving"], "b": ["b"]}
    talk.unmute()
    assert domains(talk) == {"a": ["a"], "b": ["b", "moving"]}
    assert not [line for line in talk.said if "NACK" in line]
