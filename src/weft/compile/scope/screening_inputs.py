"""The inputs of what stands before a port: who may ask, how much, and who must sign in first: keys, as in `inputs`."""

from dataclasses import dataclass

from weft.model.authorization import AuthorizationPolicy
from weft.model.login import OidcLogin
from weft.model.mesh_config import Authorizer, Normalization
from weft.model.rate_limit import Limit
from weft.ref import Ref


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorizer, and the cluster of those who answer for it."""

    authorizer: Authorizer
    cluster: str


@dataclass(frozen=True, slots=True)
class Screening:
    """What a listener knows of all its requests: who may be `asked` about them, how their paths are read, and whether answers to
    refused ones `explain` it in a header, too. `hosts` are those of the authorizers, there or not."""

    asked: tuple[Asked, ...] = ()
    normalization: Normalization = Normalization.DEFAULT
    explain: bool = True
    hosts: frozenset[str] = frozenset()
    origins: tuple[Ref, ...] = ()

    @property
    def clusters(self) -> tuple[str, ...]:
        """Those of the authorizers."""
        return tuple(sorted({one.cluster for one in self.asked}))


@dataclass(frozen=True, slots=True)
class Guard:
    """The authorization policies of a port, which is known by any of the numbers `ports`; `is_http`: its requests are read. What
    a policy says of `cluster.local`, or of one of `aliases`, is meant of `trust_domain` and all of them; namespaces and service
    accounts are theirs alone, which needs saying where workloads of other domains come too (`federated`).
    `literal`: paths are compared as they are written. `asked`: who can be asked about what comes to this port."""

    policies: tuple[AuthorizationPolicy, ...] = ()
    ports: tuple[int, ...] = ()
    is_http: bool = True
    trust_domain: str = ""
    literal: bool = False
    asked: tuple[Asked, ...] = ()
    aliases: tuple[str, ...] = ()
    federated: bool = False

    @property
    def origins(self) -> tuple[Ref, ...]:
        """The policies, as the operator knows them."""
        return tuple(sorted(one.origin for one in self.policies))


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a port takes, sorted by name. `hosts` are those of the services that rate limits are attached to."""

    limits: tuple[Limit, ...] = ()
    hosts: frozenset[str] = frozenset()

    @property
    def origins(self) -> tuple[Ref, ...]:
        """The rules, as the operator knows them."""
        return tuple(sorted({one.origin for one in self.limits}))

    def said(self, *, connections: bool, is_global: bool) -> tuple[Limit, ...]:
        """Those of one kind that are counted in one place."""
        return tuple(one for one in self.limits if (one.connections, one.is_global) == (connections, is_global))


@dataclass(frozen=True, slots=True)
class Login:
    """Where people sign in who come to a gateway of `namespace`: the provider's endpoints, and the `cluster` of the one for
    tokens; without one nobody can, and nobody is let in."""

    login: OidcLogin
    namespace: str
    cluster: str = ""
    authorization: str = ""
    token: str = ""
    end: str = ""
