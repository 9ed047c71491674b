"""Whose a Kubernetes service account's token is: checked with the cluster's keys, or by asking its API server (TokenReview).

A token must be for the audience of this mesh: one that a workload showed to somebody else, who kept it, is worth nothing here.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#token-controller
"""

import asyncio
import ipaddress
import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from weft import jwt
from weft.ca.attestation import RefusedToken

AUDIENCE = "weft"
_TIMEOUT = 5.0
_LARGEST = 1 << 20
_FRESH = 300.0  # seconds for which keys are used without asking
_AGAIN = 10.0  # seconds after which an unknown key may be asked for again
_REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCOUNT = re.compile(r"system:serviceaccount:([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?):([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)\Z")


class Unavailable(Exception):
    """Nobody could say whose a token is: the cluster does not answer."""


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """How tokens are checked. `keys`: a URL or file with the key set of `issuer`. `api`: the API server that is asked instead,
    with the token in the file `credential`. `authorities`: a PEM file with the roots of either's certificate; empty: the
    system's."""

    issuer: str = ""
    keys: str = ""
    api: str = ""
    credential: str = ""
    authorities: str = ""
    audience: str = AUDIENCE

    def problem(self) -> str:
        """What is wrong with them; empty: nothing."""
        if bool(self.keys) == bool(self.api):
            return "name the cluster's keys or its API server, and not both"
        if self.keys and not self.issuer:
            return "keys are those of an issuer: name it"
        url = self.api or (self.keys if "://" in self.keys else "")
        if url and not _is_safe(url):
            return f"{url} is no https:// address"
        return "" if self.audience else "tokens are for an audience: name it"


class Kubernetes:
    """One cluster."""

    def __init__(self, settings: KubernetesSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._keys: tuple[jwt.Key, ...] = ()
        self._fetched = 0.0
        self._tried = 0.0
        self._fetching = asyncio.Lock()

    async def account(self, token: str) -> tuple[str, str]:
        """The namespace and the service account of a token. Raises RefusedToken and Unavailable."""
        if not token or len(token) > jwt.LONGEST:
            raise RefusedToken("no token, or one that is too long")
        name = await (self._reviewed(token) if self._settings.api else self._verified(token))
        found = _ACCOUNT.match(name)
        if found is None:
            raise RefusedToken(f"the token is of {name[:200]!r}, no service account")
        return found[1], found[3]

    # By its keys

    async def _verified(self, token: str) -> str:
        now = self._now().timestamp()
        await self._refresh(now, _FRESH)
        try:
            claims = self._checked(token, now)
        except jwt.InvalidToken as first:
            before = self._keys
            await self._refresh(now, _AGAIN)  # the cluster may have a new key since
            if self._keys == before:
                raise RefusedToken(str(first)) from first
            try:
                claims = self._checked(token, now)
            except jwt.InvalidToken as error:
                raise RefusedToken(str(error)) from error
        if claims.get("iss") != self._settings.issuer:
            raise RefusedToken("the token is of another issuer")
        return str(claims.get("sub", ""))

    def _checked(self, token: str, now: float) -> dict[str, Any]:
        return jwt.verified(token, self._keys, (self._settings.audience,), now)

    async def _refresh(self, now: float, after: float) -> None:
        """Asks for the keys when they are older than `after` seconds. Those that are held serve on while they are not to be
        had."""
        async with self._fetching:
            if (self._keys and now - self._fetched < after) or now - self._tried < min(after, _AGAIN):
                return
            self._tried = now
            try:
                self._keys, self._fetched = jwt.keys(json.loads(await self._key_set())), now
            except (httpx.HTTPError, OSError, ValueError) as error:
                if not self._keys:
                    self._tried = 0.0
                    raise Unavailable(f"the cluster's keys cannot be had: {error}") from error

    async def _key_set(self) -> bytes:
        if "://" not in self._settings.keys:
            return await asyncio.to_thread(Path(self._settings.keys).read_bytes)
        async with self._client() as client:
            return _content(await client.get(self._settings.keys))

    # By its API server

    async def _reviewed(self, token: str) -> str:
        spec = {"token": token, "audiences": [self._settings.audience]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        try:
            async with self._client() as client:
                answer = await client.post(self._settings.api.rstrip("/") + _REVIEW, json=body, headers=await self._signed_in())
                said = json.loads(_content(answer)).get("status", {})
        except (httpx.HTTPError, OSError, ValueError, AttributeError) as error:
            raise Unavailable(f"the cluster's API server cannot be asked: {error}") from error
        if not isinstance(said, Mapping) or said.get("authenticated") is not True:
            raise RefusedToken("the cluster does not know the token")
        if self._settings.audience not in (said.get("audiences") or ()):
            raise RefusedToken("the token is for another audience")  # or the server knows nothing of audiences
        user = said.get("user")
        return str(user.get("username", "")) if isinstance(user, Mapping) else ""

    async def _signed_in(self) -> dict[str, str]:
        if not self._settings.credential:
            return {}
        token = await asyncio.to_thread(Path(self._settings.credential).read_text)  # it is replaced now and then
        return {"authorization": f"Bearer {token.strip()}"}

    def _client(self) -> httpx.AsyncClient:
        context = ssl.create_default_context(cafile=self._settings.authorities or None)
        return httpx.AsyncClient(trust_env=False, verify=context, timeout=_TIMEOUT)


def _content(answer: httpx.Response) -> bytes:
    answer.raise_for_status()
    if len(answer.content) > _LARGEST:
        raise ValueError("the answer is larger than 1 MiB")
    return answer.content


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can read or change what is said."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
