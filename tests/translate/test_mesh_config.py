"""A MeshConfig, as a kind of its own and as Istio writes it in a ConfigMap."""

from weft.model.mesh import Settings
from weft.model.mesh_config import Normalization
from weft.model.precedence import mesh_config
from weft.resource.decode import decode
from weft.resource.resource import Resource
from weft.translate.mesh import advance, translation

WORDS = """
pathNormalization: {normalization: MERGE_SLASHES}
extensionProviders: [{name: opa, envoyExtAuthzGrpc: {service: opa.auth.svc.cluster.local, port: 9191}}]
meshMTLS: {minProtocolVersion: TLSV1_3}
"""


def config_map(words: str) -> Resource:
    """The ConfigMap `istio`."""
    meta = {"name": "istio", "namespace": "istio-system"}
    found = decode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mesh": words}})
    assert found.resource, found.findings
    return found.resource


def test_what_istio_writes_in_a_config_map_holds() -> None:
    """Providers, paths and TLS alike; an unknown host is told where it stands; nothing is left when it goes."""
    said = config_map(WORDS)
    made = translation(Settings(), [said])
    config = mesh_config(made.mesh)
    assert config and config.normalization is Normalization.MERGE_SLASHES
    assert [(one.name, one.host, one.port) for one in config.authorizers] == [("opa", "opa.auth.svc.cluster.local", 9191)]
    (unknown,) = made.findings[said.ref]
    assert (unknown.code, unknown.ref.field) == ("unknown-host", "data.mesh.extensionProviders[0].envoyExtAuthzGrpc")
    gone = advance(made, [(said, config_map("{}"))])[0]
    assert mesh_config(gone.mesh) is None and not gone.findings.get(said.ref)


def test_a_mistake_in_it_is_told_by_its_field() -> None:
    """As in the kind of its own."""
    meta = {"name": "istio", "namespace": "istio-system"}
    body = {"mesh": "extensionProviders: [{name: opa}]"}
    found = decode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": body}).findings
    assert [(one.code, one.ref.field) for one in found] == [("invalid-value", "data.mesh.extensionProviders[0]")]
