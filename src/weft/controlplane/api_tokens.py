"""Tokens with which callers of the API come in, of the OpenID provider that the operator named.

Its keys are fetched like those of any issuer, and kept while it is away. Who a caller is, and in which groups, stands in the
token's claims.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from weft.controlplane.api.caller import Caller, Role, Unauthenticated
from weft.controlplane.key_set_client import Unfetched, key_set

_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA")
_FRESH, _AGAIN = 20 * 60.0, 5.0  # seconds that keys serve unasked, and at least between two questions
_PATIENCE, _LEEWAY = 5.0, 30.0
_LONGEST = 16 * 1024


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """The provider: its `issuer` URL, the `audience` (client ID) its tokens must be for, the claims that tell the user and its
    groups, and the `roles` by group. `prefix` stands before users' names, so that none is taken for that of a certificate."""

    issuer: str
    audience: str
    roles: tuple[tuple[str, Role], ...]
    username_claim: str = "sub"
    groups_claim: str = "groups"
    prefix: str = "oidc:"


def oidc_role(text: str) -> tuple[str, Role]:
    """`GROUP=ROLE` taken apart. Raises ValueError."""
    group, _, role = text.rpartition("=")
    if not group or role not in list(Role):
        raise ValueError(f"{text!r} is not GROUP=ROLE with one of the roles {', '.join(Role)}")
    return group, Role(role)


class ApiTokens:
    """Knows the callers of tokens."""

    def __init__(self, settings: OidcSettings, trusted: ssl.SSLContext) -> None:
        self._settings, self._trusted = settings, trusted
        self._keys: jwt.PyJWKSet | None = None
        self._asked = self._fetched = float("-inf")
        self._asking = asyncio.Lock()

    async def verify(self, token: str) -> Caller:
        """The caller. Raises Unauthenticated."""
        said = await self._claims(token)
        name = said.get(self._settings.username_claim)
        if not isinstance(name, str) or not name:
            raise Unauthenticated(f"it has no claim {self._settings.username_claim}")
        of = said.get(self._settings.groups_claim)
        found = {str(one) for one in (of if isinstance(of, list) else [of])}
        roles = sorted({f"weft:{role}s" for group, role in self._settings.roles if group in found})
        return Caller(f"{self._settings.prefix}{name}", tuple(roles))

    async def _claims(self, token: str) -> Mapping[str, Any]:
        if len(token) > _LONGEST:
            raise Unauthenticated("it is too long")
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(_ALGORITHMS),
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as problem:
            raise Unauthenticated(str(problem)) from None
        return claims

    async def _key(self, kid: str) -> jwt.PyJWK:
        """The key called so; the provider is asked anew when it is unknown, or the keys are old."""
        now = time.monotonic()
        found = self._found(kid)
        if found is None or now - self._fetched > _FRESH:
            await self._fetch(now)
            found = self._found(kid)
        if found is None:
            raise Unauthenticated("it is signed with a key that the provider does not have")
        return found

    def _found(self, kid: str) -> jwt.PyJWK | None:
        keys = self._keys.keys if self._keys else []
        return next((one for one in keys if one.key_id == kid), keys[0] if len(keys) == 1 and not kid else None)

    async def _fetch(self, now: float) -> None:
        async with self._asking:
            if now - self._asked < _AGAIN:
                return
            self._asked = now
            at = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                found = await key_set(at, _PATIENCE, self._trusted, frozenset((self._settings.issuer,)))
            except Unfetched as why:
                if self._keys is None:
                    raise Unauthenticated(f"the keys of {self._settings.issuer} were not fetched: {why}") from None
                return  # the last good keys serve on
            self._keys, self._fetched = jwt.PyJWKSet.from_json(found.jwks), now
