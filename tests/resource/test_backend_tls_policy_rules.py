"""What is wrong with a BackendTLSPolicy by itself."""

import pytest
import yaml

from weft.resource.decode import decode

TARGET = "targetRefs: [{group: '', kind: Service, name: web}]"
SYSTEM = "wellKnownCACertificates: System"


def _found(spec: str) -> list[tuple[str, str]]:
    meta = "{name: p, namespace: default}"
    raw = yaml.safe_load(f"{{apiVersion: gateway.networking.k8s.io/v1, kind: BackendTLSPolicy, metadata: {meta}, spec: {spec}}}")
    return [(one.code, one.ref.field.removeprefix("spec.")) for one in decode(raw).findings]


def test_a_policy_as_it_should_be() -> None:
    """A Service, a hostname and authorities."""
    assert not _found(f"{{{TARGET}, validation: {{hostname: a.b, {SYSTEM}}}}}")


@pytest.mark.parametrize(
    ("spec", "code", "path"),
    [
        (f"{{validation: {{hostname: a.b, {SYSTEM}}}}}", "missing-field", "targetRefs"),
        (f"{{{TARGET}, validation: {{hostname: a.b}}}}", "invalid-value", "validation"),
        (f"{{{TARGET}, validation: {{hostname: '*.b', {SYSTEM}}}}}", "invalid-value", "validation.hostname"),
        (f"{{{TARGET}, validation: {{hostname: 10.0.0.1, {SYSTEM}}}}}", "invalid-value", "validation.hostname"),
        (
            f"{{{TARGET}, validation: {{hostname: a.b, wellKnownCACertificates: Mine}}}}",
            "unsupported-value",
            "validation.wellKnownCACertificates",
        ),
        (
            f"{{{TARGET}, validation: {{hostname: a.b, {SYSTEM}, caCertificateRefs: [{{group: '', kind: Secret, name: c}}]}}}}",
            "conflicting-fields",
            "validation",
        ),
        (
            f"{{{TARGET}, validation: {{hostname: a.b, {SYSTEM}, subjectAltNames: [{{type: URI, hostname: c}}]}}}}",
            "missing-field",
            "validation.subjectAltNames[0].uri",
        ),
        (
            f"{{targetRefs: [{{group: a.b, kind: Other, name: c}}], validation: {{hostname: a.b, {SYSTEM}}}}}",
            "unsupported-value",
            "targetRefs[0].kind",
        ),
        (f"{{{TARGET}, options: {{a: b}}, validation: {{hostname: a.b, {SYSTEM}}}}}", "unsupported-field", "options"),
    ],
)
def test_each_mistake_is_found(spec: str, code: str, path: str) -> None:
    """Each mistake is one finding at its field."""
    assert (code, path) in _found(spec)
