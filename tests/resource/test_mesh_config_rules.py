"""MeshConfig in its ConfigMap: what is refused, and where."""

from typing import Any

from weft.resource.decode import decode


def _found(mesh: str, profile: str = "default") -> list[tuple[str, str]]:
    annotations = {"mesh.weft.dev/tls-profile": profile}
    meta = {"name": "istio", "namespace": "istio-system", "annotations": annotations}
    raw: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mesh": mesh}}
    return [(one.code, one.ref.field) for one in decode(raw).findings]


def test_names_of_versions_ciphers_and_curves_are_those_that_envoy_takes() -> None:
    """A version that Istio does not name, a cipher of TLS 1.3 and a curve that BoringSSL has not are refused where they stand."""
    found = _found("meshMTLS: {minProtocolVersion: TLSV1_1, cipherSuites: [TLS_AES_128_GCM_SHA256], ecdhCurves: [P-256, P-224]}")
    assert found == [
        ("invalid-value", "data.mesh.meshMTLS.minProtocolVersion"),
        ("invalid-value", "data.mesh.meshMTLS.ecdhCurves[1]"),
        ("invalid-value", "data.mesh.meshMTLS.cipherSuites[0]"),
    ]


def test_the_fips_profile_takes_only_what_is_approved() -> None:
    """What the default profile takes is refused there; another profile there is none."""
    said = "meshMTLS: {cipherSuites: [ECDHE-ECDSA-CHACHA20-POLY1305], ecdhCurves: [X25519MLKEM768]}"
    assert _found(said) == []
    assert [field for _, field in _found(said, "fips")] == [
        "data.mesh.meshMTLS.ecdhCurves[0]",
        "data.mesh.meshMTLS.cipherSuites[0]",
    ]
    assert _found("", "strict") == [("invalid-value", "metadata.annotations[mesh.weft.dev/tls-profile]")]


def test_what_is_no_mapping_or_not_read_is_said() -> None:
    """Broken YAML and lists are errors; fields of MeshConfig that are not read have a warning each."""
    assert _found("a: [") == [("invalid-value", "data.mesh")]
    assert _found("[a]") == [("invalid-value", "data.mesh")]
    assert _found("x" * 70_000) == [("invalid-value", "data.mesh")]
    assert _found("trustDomain: a.b") == [("unsupported-field", "data.mesh.trustDomain")]
    assert _found("meshMTLS: {minVersion: TLSV1_3}") == [("unknown-field", "data.mesh.meshMTLS.minVersion")]
