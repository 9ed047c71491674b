"""The ConfigMap of the mesh into the TLS that it speaks, and what else a MeshConfig says."""

from dataclasses import replace

from weft.model.mesh import Settings
from weft.model.tls_settings import TlsRules, TlsSettings
from weft.resource.core.config_map import ConfigMap
from weft.resource.field_path import below
from weft.resource.istio.mesh_config import KEY, NAME, PROFILE, TlsConfig
from weft.resource.istio.mesh_config import mesh_config as read
from weft.resource.problems import Problems
from weft.resource.resource import Resource
from weft.translate.mesh_config import mesh_config
from weft.translate.statement import Statement

_VERSIONS = {"TLS_AUTO": "", "TLSV1_2": "TLSv1_2", "TLSV1_3": "TLSv1_3"}


def tls_settings(resource: Resource, said: ConfigMap, settings: Settings) -> Statement | None:
    """What the resource says of TLS; None when it is another ConfigMap."""
    if (resource.meta.namespace, resource.meta.name) != (settings.root_namespace, NAME):
        return None
    config = read(said, Problems(resource.ref))
    fips = resource.meta.annotations.get(PROFILE) == "fips"
    spoken = TlsSettings(_rules(config.mesh_mtls, fips), _rules(config.tls_defaults, fips))
    if config.extension_providers or config.path_normalization or config.explain_denials is not None:
        return replace(mesh_config(resource, config, below("data", KEY)), tls=spoken)
    return Statement(resource.ref, tls=spoken)


def _rules(of: TlsConfig | None, fips: bool) -> TlsRules:
    of = of or TlsConfig()
    return TlsRules(_VERSIONS[of.min_protocol_version], of.cipher_suites, of.ecdh_curves, fips)
