"""Which tokens a workload accepts: the request authentication of a mesh."""

from dataclasses import dataclass, field
from hashlib import blake2b

from weft.model.labels import Labels
from weft.ref import Ref

NO_KEYS = (
    '{"keys":[{"kty":"EC","crv":"P-256","kid":"nobody","x":"X2SA6edDytgs5Fq6Yvs7ifnpCCYLqPvhnAhR8srOAAw",'
    '"y":"oEzZqaemVKQq8nkyF6fOcIs6t1zqg4Yjw7e8c6VttMI"}]}'
)
"""A key set that no token is signed with, since Envoy takes no empty one: the x of its point is a hash of words, so that nobody
ever had the private key (`tests/model/test_authentication.py` makes it again)."""


def issuer_host(at: str) -> str:
    """The host in the mesh that stands for the endpoint at which the issuer whose keys are `at` gives tokens."""
    return f"{blake2b(at.encode(), digest_size=10).hexdigest()}.issuers.weft.internal"


@dataclass(frozen=True, slots=True)
class JwtRule:
    """The tokens of one issuer, signed with a key of `jwks` (a JSON Web Key Set, RFC 7517), or of those fetched from the address
    `keys_at`. `headers` are (name, prefix); without any place tokens are looked for where OAuth has them (RFC 6750).
    `claim_headers` are (header, claim). `patience`: seconds that the fetching may take."""

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
    keys_at: str = ""
    patience: float = 5.0


@dataclass(frozen=True, slots=True)
class KeySet:
    """What was fetched from the address `at`: the last good `jwks`, empty if there never was one. `problem` is why the last
    attempt failed, empty when it did not, and `since` when the keys were fetched (RFC 3339). `authorization`, `token` and `end`
    are the provider's endpoints: to sign in, to get tokens, and to end the session there."""

    at: str
    jwks: str
    origin: Ref
    problem: str = ""
    authorization: str = ""
    token: str = ""
    end: str = ""
    since: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RequestAuthentication:
    """One RequestAuthentication. `selector` and `gateways` as those of an AuthorizationPolicy."""

    namespace: str
    name: str
    origin: Ref
    selector: Labels = ()
    gateways: tuple[str, ...] = ()
    rules: tuple[JwtRule, ...] = ()
