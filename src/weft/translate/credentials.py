"""Secret and ConfigMap into what they hold for TLS: read whole here, so that nothing that Envoy would refuse is ever told to one.

Names within a Secret are those of kubernetes.io/tls (`tls.crt`, `tls.key`, `ca.crt`, `ca.crl`), or of Istio's generic ones
(`cert`, `key`, `cacert`, `crl`). https://istio.io/latest/docs/tasks/traffic-management/ingress/secure-ingress/#key-formats"""

from base64 import b64decode
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from weft.model.credential import CONFIG_MAP, SECRET, Credential, credential_key
from weft.resource.core.config_map import ConfigMap
from weft.resource.core.secret import Secret
from weft.resource.resource import Resource
from weft.translate.statement import Statement

_CERTIFICATE, _KEY, _AUTHORITIES, _REVOKED = ("tls.crt", "cert"), ("tls.key", "key"), ("ca.crt", "cacert"), ("ca.crl", "crl")
_CLIENT = "client-secret"
_CURVES = ("secp256r1", "secp384r1", "secp521r1")  # those Envoy takes
_SHORTEST_RSA = 2048


def secret(resource: Resource, said: Secret) -> Statement:
    """A Secret. `stringData` counts before `data`, as where it is written."""
    held = {name: b64decode(text) for name, text in said.data.items()}
    held |= {name: text.encode() for name, text in said.string_data.items()}
    return _statement(resource, SECRET, held)


def config_map(resource: Resource, said: ConfigMap) -> Statement:
    """A ConfigMap, which may hold authorities."""
    held = {name: text.encode() for name, text in said.data.items() if name in (*_AUTHORITIES, *_REVOKED)}
    held |= {name: b64decode(text) for name, text in said.binary_data.items() if name in (*_AUTHORITIES, *_REVOKED)}
    return _statement(resource, CONFIG_MAP, held)


def _statement(resource: Resource, kind: str, held: Mapping[str, bytes]) -> Statement:
    chain, key, authorities, revoked = (_first(held, names) for names in (_CERTIFICATE, _KEY, _AUTHORITIES, _REVOKED))
    said = Credential(
        credential_key(kind, resource.meta.namespace, resource.meta.name),
        resource.ref,
        chain,
        key,
        authorities,
        revoked,
        held.get(_CLIENT, b"").strip() if kind == SECRET else b"",
        problem(chain, key) if kind == SECRET else "it is a ConfigMap",
        distrust(authorities, revoked),
    )
    return Statement(resource.ref, credential=said)


def _first(held: Mapping[str, bytes], names: tuple[str, ...]) -> bytes:
    return next((held[name] for name in names if held.get(name)), b"")


def problem(chain: bytes, key: bytes) -> str:
    """Why a server cannot show the certificate; empty when it can."""
    for what, names in ((chain, _CERTIFICATE), (key, _KEY)):
        if not what.strip():
            return f"it has no {names[0]}"
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError:
        return "its tls.crt is no certificate in PEM"
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError, NotImplementedError):  # TypeError: it is encrypted
        return "its tls.key is no private key in PEM without a password"
    if _weak := _refused(private):
        return _weak
    shown = certificates[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if shown != private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        return "its tls.key is not the key of its tls.crt"
    return ""


def _refused(key: object) -> str:
    """Why Envoy does not take this kind of key."""
    if isinstance(key, rsa.RSAPrivateKey):
        return (
            ""
            if key.key_size >= _SHORTEST_RSA
            else f"its key has {key.key_size} bits: Envoy takes RSA keys from {_SHORTEST_RSA} on"
        )
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return (
            "" if key.curve.name in _CURVES else f"its key is on the curve {key.curve.name}: Envoy takes P-256, P-384 and P-521"
        )
    return "its key is neither RSA nor ECDSA: Envoy takes these"


def distrust(authorities: bytes, revoked: bytes) -> str:
    """Why the authorities cannot be used; empty when they can."""
    if not authorities.strip():
        return "it has no ca.crt"
    try:
        x509.load_pem_x509_certificates(authorities)
    except ValueError:
        return "its ca.crt is no certificate in PEM"
    try:
        if revoked.strip():
            x509.load_pem_x509_crl(revoked)
    except ValueError:
        return "its ca.crl is no list of revoked certificates in PEM"
    return ""
