"""The answers of the Workload API, made of an identity and whom it trusts. Pure."""

from collections.abc import Mapping

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from google.protobuf.struct_pb2 import Struct

from weft import jwt
from weft.agent.identity import Identity
from weft.agent.trust import Domain, Trust
from weft.proto import workload_pb2


class NotValid(Exception):
    """A token that is no valid JWT-SVID for the audience, and why."""


def x509_svid(of: Identity, trust: Trust) -> workload_pb2.X509SVIDResponse:
    """The workload's one X.509-SVID with its key, and the bundles of the domains that are federated."""
    key = load_pem_private_key(of.key, None)
    svid = workload_pb2.X509SVID(
        spiffe_id=of.uri,
        x509_svid=b"".join(each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(of.chain)),
        x509_svid_key=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        bundle=_der(trust.own),
    )
    federated = {domain_id(name): _der(domain) for name, domain in _others(trust).items()}
    return workload_pb2.X509SVIDResponse(svids=[svid], federated_bundles=federated)


def x509_bundles(trust: Trust) -> workload_pb2.X509BundlesResponse:
    """The roots of every domain that is trusted."""
    bundles = {domain_id(name): _der(domain) for name, domain in sorted(trust.domains.items())}
    return workload_pb2.X509BundlesResponse(bundles=bundles)


def jwt_bundles(trust: Trust) -> workload_pb2.JWTBundlesResponse:
    """The keys that JWT-SVIDs of every domain that is trusted are checked with."""
    return workload_pb2.JWTBundlesResponse(
        bundles={domain_id(name): domain.jwks for name, domain in sorted(trust.domains.items())}
    )


def validated(token: str, audience: str, trust: Trust, now: float) -> workload_pb2.ValidateJWTSVIDResponse:
    """Whose JWT-SVID `token` is, and its claims: checked with the keys of the trust domain that it says it is of, and no other's.
    Raises NotValid."""
    try:
        subject = jwt.unverified(token).get("sub", "")
        domain = trust.domains.get(_domain(subject))
        if domain is None:
            raise NotValid("the token's subject is no SPIFFE ID of a domain that is trusted")
        claims = jwt.verified(token, jwt.keys(msgspec.json.decode(domain.jwks), ("", "jwt-svid")), (audience,), now)
    except jwt.InvalidToken as problem:
        raise NotValid(str(problem)) from problem
    said = Struct()
    said.update(claims)
    return workload_pb2.ValidateJWTSVIDResponse(spiffe_id=subject, claims=said)


def domain_id(trust_domain: str) -> str:
    """The SPIFFE ID of a trust domain itself."""
    return f"spiffe://{trust_domain}"


def _domain(spiffe_id: object) -> str:
    if not isinstance(spiffe_id, str) or not spiffe_id.startswith("spiffe://"):
        return ""
    return spiffe_id.removeprefix("spiffe://").partition("/")[0]


def _others(trust: Trust) -> Mapping[str, Domain]:
    return {name: domain for name, domain in sorted(trust.domains.items()) if name != trust.own.name}


def _der(domain: Domain) -> bytes:
    return b"".join(domain.roots.roots)
