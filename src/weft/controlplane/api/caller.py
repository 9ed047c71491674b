"""Who asks: known by a client certificate of the API's authority, or by a token of the OpenID provider that the operator named.

As in Kubernetes, the certificate's common name is the user and its organizations are the groups.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What a caller may do (see `roles`)."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


GROUPS = {"system:masters": Role.ADMIN} | {f"weft:{role}s": role for role in Role}
"""The groups that stand for a role. `system:masters` is what Kubernetes' own administrators are in."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A user and the groups it is in."""

    name: str
    groups: tuple[str, ...] = ()

    @property
    def role(self) -> Role | None:
        """The highest role of its groups; None: it may do nothing."""
        roles = [GROUPS[group] for group in self.groups if group in GROUPS]
        return max(roles, key=list(Role).index, default=None)


class Unauthenticated(Exception):
    """A token that is not accepted; says why."""


Verify = Callable[[str], Awaitable[Caller]]
"""The caller that a token names. Raises Unauthenticated."""


def subject(certificate: Any) -> Caller:
    """The caller of a peer's certificate as `ssl` gives it; nameless when there is none."""
    said = [pair for part in (certificate or {}).get("subject", ()) for pair in part]
    return Caller(next(_named(said, "commonName"), ""), tuple(_named(said, "organizationName")))


def _named(said: Iterable[tuple[str, str]], name: str) -> Iterator[str]:
    return (str(value) for key, value in said if key == name)
