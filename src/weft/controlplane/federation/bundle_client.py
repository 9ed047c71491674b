"""Asks the bundle endpoint of another trust domain.

With `https_spiffe` the endpoint's certificate is checked with the roots that are held of the domain that its SPIFFE ID is of, and
must say that ID; with `https_web` it is an ordinary certificate for the host. Redirects are not followed, as the standard says.
"""

import ssl
import tempfile
from collections.abc import Mapping
from typing import Any

import httpx

from weft.resource.weft.trust_domain import BundleEndpoint
from weft.spiffe_bundle import LARGEST, SpiffeBundle, spiffe_bundle
from weft.trust_bundle import TrustBundle

_TIMEOUT = 5.0


class Unfetched(Exception):
    """The bundle was not to be had; says why."""


async def fetched(trust_domain: str, at: BundleEndpoint, held: Mapping[str, TrustBundle]) -> SpiffeBundle:
    """The bundle of `trust_domain` at `at`. `held` are the roots of the domains that are known. Raises Unfetched."""
    try:
        async with httpx.AsyncClient(trust_env=False, verify=_context(at, held), timeout=_TIMEOUT) as client:
            return spiffe_bundle(trust_domain, await _content(client, at))
    except httpx.TimeoutException:
        raise Unfetched(f"no answer within {_TIMEOUT:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as problem:
        raise Unfetched(f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__) from None
    except ValueError as problem:
        raise Unfetched(f"the answer is no bundle: {problem}") from None


async def _content(client: httpx.AsyncClient, at: BundleEndpoint) -> bytes:
    content = bytearray()
    async with client.stream("GET", at.url, headers={"accept": "application/json"}) as response:
        if at.profile == "https_spiffe":
            _check(response.extensions["network_stream"].get_extra_info("ssl_object"), at.spiffe_id)
        if response.status_code != httpx.codes.OK:
            raise Unfetched(f"the answer is {response.status_code} {response.reason_phrase}".rstrip())
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > LARGEST:
                raise Unfetched("the answer is larger than 1 MiB")
    return bytes(content)


def _context(at: BundleEndpoint, held: Mapping[str, TrustBundle]) -> ssl.SSLContext:
    if at.profile == "https_web":
        return ssl.create_default_context(cafile=at.ca_certificates or None)
    domain = at.spiffe_id.removeprefix("spiffe://").partition("/")[0]
    if domain not in held:
        raise Unfetched(f"no roots of {domain} are held, whose certificate the endpoint shows")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # a SPIFFE ID is asked for instead, see `_check`
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # `cadata` would take the first root only where subjects are equal
        file.write(held[domain].pem)
        file.flush()
        context.load_verify_locations(file.name)
    return context


def _check(connection: Any, spiffe_id: str) -> None:
    shown = [value for kind, value in connection.getpeercert().get("subjectAltName", ()) if kind == "URI"]
    if shown != [spiffe_id]:
        raise Unfetched(f"the endpoint is {', '.join(shown) or 'nobody'}, not {spiffe_id}")
