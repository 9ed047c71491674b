"""A certificate authority outside of the mesh, whose certificates operators put into Secrets."""

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LIFE = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Issuer:
    """A key that signs, and its certificate in PEM."""

    key: ec.EllipticCurvePrivateKey
    name: x509.Name
    pem: str

    def leaf(self, *hosts: str) -> tuple[str, str]:
        """(certificate, key), PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = _builder(subject, self.name, key).add_extension(names, critical=False).add_extension(signer, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        form = serialization.PrivateFormat.PKCS8
        return certificate, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def issuer(name: str = "an authority") -> Issuer:
    """A new one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = _builder(subject, subject, key).add_extension(x509.BasicConstraints(True, None), critical=True)
    builder = builder.add_extension(own, critical=False).add_extension(usage, critical=True)
    return Issuer(key, subject, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode())


def _builder(subject: x509.Name, by: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now - _LIFE).not_valid_after(now + _LIFE)
