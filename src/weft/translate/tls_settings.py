"""The ConfigMap of the mesh into the TLS that it speaks."""

from weft.model.mesh import Settings
from weft.model.tls_settings import TlsRules, TlsSettings
from weft.resource.core.config_map import ConfigMap
from weft.resource.istio.mesh_config import NAME, PROFILE, TlsConfig, mesh_config
from weft.resource.problems import Problems
from weft.resource.resource import Resource
from weft.translate.statement import Statement

_VERSIONS = {"TLS_AUTO": "", "TLSV1_2": "TLSv1_2", "TLSV1_3": "TLSv1_3"}


def tls_settings(resource: Resource, said: ConfigMap, settings: Settings) -> Statement | None:
    """What the resource says of TLS; None when it is another ConfigMap."""
    if (resource.meta.namespace, resource.meta.name) != (settings.root_namespace, NAME):
        return None
    config = mesh_config(said, Problems(resource.ref))
    fips = resource.meta.annotations.get(PROFILE) == "fips"
    return Statement(resource.ref, tls=TlsSettings(_rules(config.mesh_mtls, fips), _rules(config.tls_defaults, fips)))


def _rules(of: TlsConfig | None, fips: bool) -> TlsRules:
    of = of or TlsConfig()
    return TlsRules(_VERSIONS[of.min_protocol_version], of.cipher_suites, of.ecdh_curves, fips)
