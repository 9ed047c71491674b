"""Certificates for tests: one CA, and a leaf with a SPIFFE ID or DNS names for whoever asks."""

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

from weft.envoy.names import IDENTITY_SECRET, TRUST_SECRET

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])


@dataclass
class Authority:
    """A CA."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        """The root."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def leaf(self, *names: str) -> tuple[bytes, bytes]:
        """(chain, key) as PEM, for SPIFFE IDs and DNS names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subjects: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(name) if "://" in name else x509.DNSName(name) for name in names
        ]
        builder = _builder(x509.Name([]), key.public_key()).add_extension(x509.SubjectAlternativeName(subjects), critical=True)
        certificate = builder.sign(self.key, hashes.SHA256())
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return certificate.public_bytes(serialization.Encoding.PEM), private

    def revocations(self) -> bytes:
        """The list of revoked certificates as PEM: there are none."""
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(_NAME).last_update(now - datetime.timedelta(hours=1))
        made = builder.next_update(now + datetime.timedelta(hours=1)).sign(self.key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)

    def secrets(self, spiffe_id: str) -> dict[str, bytes]:
        """The two SDS secrets of a workload, serialized."""
        chain, private = self.leaf(spiffe_id)
        identity = Secret(
            name=IDENTITY_SECRET,
            tls_certificate={"certificate_chain": {"inline_bytes": chain}, "private_key": {"inline_bytes": private}},
        )
        trust = Secret(name=TRUST_SECRET, validation_context={"trusted_ca": {"inline_bytes": self.pem}})
        return {IDENTITY_SECRET: identity.SerializeToString(), TRUST_SECRET: trust.SerializeToString()}


def authority() -> Authority:
    """A new CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_NAME, key.public_key()).add_extension(x509.BasicConstraints(True, None), critical=True)
    return Authority(key, builder.sign(key, hashes.SHA256()))


def _builder(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(_NAME)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
    )
