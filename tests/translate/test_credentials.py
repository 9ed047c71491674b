"""Secrets and ConfigMaps as what they hold for TLS, and who misses one."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from weft.translate.credentials import distrust, problem

from .certificates import CERTIFICATE, KEY, PEMS, Key, pems
from .written import findings, istio, said, translated, workload

SECURE = (
    "{selector: {app: edge}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'],"
    " tls: {mode: MUTUAL, credentialName: cert}}]}"
)


def _secret(data: str, name: str = "cert", namespace: str = "default") -> str:
    return f"{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: {namespace}}}, stringData: {data}}}"


def test_a_whole_secret_is_good_for_everything() -> None:
    """Certificate, key and authorities are read, in data and in stringData."""
    found = said(_secret(PEMS)).credential
    assert found and (found.key, found.problem, found.distrust) == ("Secret/default/cert", "", "")
    assert (found.chain, found.private_key, found.authorities) == (CERTIFICATE.encode(), KEY.encode(), CERTIFICATE.encode())


def test_a_key_is_not_shown_where_it_is_printed() -> None:
    """Neither the statement of a Secret nor its credential prints the key."""
    assert "PRIVATE KEY" not in repr(said(_secret(PEMS)))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (ec.generate_private_key(ec.SECP384R1()), ""),
        (ec.generate_private_key(ec.SECP256K1()), "curve secp256k1"),
        (rsa.generate_private_key(65537, 2048), ""),
        (rsa.generate_private_key(65537, 1024), "1024 bits"),
    ],
    ids=["p384", "secp256k1", "rsa-2048", "rsa-1024"],
)
def test_a_key_that_envoy_refuses_is_said_to_be_one(key: Key, words: str) -> None:
    """Envoy takes RSA from 2048 bits on and three curves."""
    chain, private = pems(key)
    found = problem(chain.encode(), private.encode())
    assert words in found if words else not found


@pytest.mark.parametrize(
    ("chain", "key", "words"),
    [
        ("", KEY, "no tls.crt"),
        (CERTIFICATE, "", "no tls.key"),
        ("nonsense", KEY, "no certificate"),
        (CERTIFICATE, "nonsense", "no private key"),
        (CERTIFICATE, pems()[1], "is not the key of its tls.crt"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told(chain: str, key: str, words: str) -> None:
    """A missing part, something else than PEM, and a key of another certificate."""
    assert words in problem(chain.encode(), key.encode())


def test_what_is_wrong_with_authorities_is_told() -> None:
    """A missing ca.crt, and something else than PEM in it or in ca.crl."""
    assert "no ca.crt" in distrust(b"", b"")
    assert "no certificate" in distrust(b"nonsense", b"")
    assert "ca.crl" in distrust(CERTIFICATE.encode(), b"nonsense")
    assert not distrust(CERTIFICATE.encode(), b"")


def test_a_gateways_secret_is_looked_for_beside_its_workloads() -> None:
    """One in the Gateway's namespace is not enough where the workload is elsewhere; one there is."""
    gateway, edge = istio("Gateway", "gw", SECURE), workload("edge", "edge", namespace="far")
    found = findings(translated(gateway, edge, _secret(PEMS)))
    assert [(one.code, one.ref.field) for one in found] == [("unknown-secret", "spec.servers[0].tls.credentialName")] * 2
    assert "far/cert" in found[0].message and "namespace default" in found[0].hint
    assert not findings(translated(gateway, edge, _secret(PEMS, namespace="far")))


def test_authorities_may_be_in_the_secret_beside() -> None:
    """NAME-cacert is where they are looked for first."""
    pair = f"{{tls.crt: {CERTIFICATE!r}, tls.key: {KEY!r}}}".replace("'", '"')
    gateway = istio("Gateway", "gw", SECURE)
    assert [one.code for one in findings(translated(gateway, _secret(pair)))] == ["unusable-secret"]
    assert not findings(translated(gateway, _secret(pair), _secret(PEMS, "cert-cacert")))
