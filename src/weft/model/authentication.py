"""Which tokens a workload accepts: the request authentication of a mesh."""

from dataclasses import dataclass

from weft.model.labels import Labels
from weft.ref import Ref


@dataclass(frozen=True, slots=True)
class JwtRule:
    """The tokens of one issuer, signed with a key of `jwks` (a JSON Web Key Set, RFC 7517). `headers` are (name, prefix); without
    any place tokens are looked for where OAuth has them (RFC 6750). `claim_headers` are (header, claim)."""

    issuer: str
    jwks: str
    audiences: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    params: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    payload_header: str = ""
    forward: bool = False
    claim_headers: tuple[tuple[str, str], ...] = ()
    space_delimited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestAuthentication:
    """One RequestAuthentication. `selector` and `gateways` as those of an AuthorizationPolicy."""

    namespace: str
    name: str
    origin: Ref
    selector: Labels = ()
    gateways: tuple[str, ...] = ()
    rules: tuple[JwtRule, ...] = ()
