"""Which secrets a proxy's TLS names, and what is in them.

A Secret without a namespace is one of the proxy's own, as in Istio: nobody is told another namespace's keys unless its
ReferenceGrant says so, and then the name comes whole.
"""

from hashlib import sha256

from weft.compile.scope.inputs import SecretInput, ServerTls
from weft.envoy.names import (
    certificate_secret,
    is_certificate_secret,
    is_client_secret,
    is_listed_trust_secret,
    is_session_secret,
    listed_trust_secret,
    secret_sources,
    trust_secret,
)
from weft.model.gateway import Server
from weft.model.gateway import ServerTls as Mode
from weft.model.mesh import Mesh
from weft.model.tls_settings import TlsSettings


def server_tls(of: Server, namespace: str, policy: TlsSettings) -> ServerTls:
    """The TLS of a server at a gateway in `namespace`."""
    rules = policy.mesh if of.tls is Mode.ISTIO_MUTUAL else policy.others
    shown = tuple(_shown(one, namespace) for one in of.credentials)
    if not of.tls.asks or of.ca_certificates:
        return ServerTls(of, shown, "", rules)
    whole = [one for one in of.authorities if "/" in one]
    if whole:
        return ServerTls(of, shown, listed_trust_secret(whole), rules)
    name = next((one for one in (*of.authorities, *of.credentials)), "")
    return ServerTls(of, shown, trust_secret(namespace, name) if name else "", rules)


def _shown(credential: str, namespace: str) -> str:
    _, slash, place = credential.partition("/")
    return certificate_secret(*place.split("/", 1)) if slash else certificate_secret(namespace, credential)


def secret(mesh: Mesh, name: str) -> SecretInput | None:
    """The secret `name`; None while what it is made from is missing or broken: whoever has an older version keeps it."""
    sources = secret_sources(name)
    found = [one for key in sources if (one := mesh.credentials.get(key))]
    if is_client_secret(name) or is_session_secret(name):
        client = next((one.client_secret for one in found if one.client_secret), b"")
        said = client if is_client_secret(name) else sha256(b"sessions of weft's gateways: " + client).hexdigest().encode()
        return SecretInput(name, None, (), frozenset(sources), said, found[0].origin) if client else None
    if is_certificate_secret(name):
        shown = next((one for one in found if not one.problem), None)
        return SecretInput(name, shown, (), frozenset(sources)) if shown else None
    trusted = tuple(one for one in found if not one.distrust)
    if not is_listed_trust_secret(name):
        trusted = trusted[:1]
    return SecretInput(name, None, trusted, frozenset(sources)) if trusted else None
