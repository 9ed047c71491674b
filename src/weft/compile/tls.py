"""TLS contexts: the mesh's own mTLS, with the identity and trust that the node's agent holds, and what operators write.

Within the mesh only TLS 1.3 is spoken unless the mesh's settings say otherwise, and the key exchange offered first is the
post-quantum hybrid X25519MLKEM768 (https://datatracker.ietf.org/doc/draft-ietf-tls-ecdhe-mlkem/). The mesh's own keys never
pass through the control plane: the contexts name secrets, and the agent serves them. Those of operators' Secrets are named by
`kubernetes://` and alike.
"""

from dataclasses import replace
from ipaddress import ip_address

from envoy.config.core.v3.base_pb2 import TransportSocket
from envoy.config.core.v3.config_source_pb2 import ConfigSource
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import CertificateValidationContext, TlsParameters
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import SdsSecretConfig
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, DownstreamTlsContext, UpstreamTlsContext
from google.protobuf.message import Message

from weft.compile.scope.inputs import MeshTls, OriginatedTls, ServerTls
from weft.envoy.names import IDENTITY_SECRET, TRUST_SECRET
from weft.envoy.types import duration, packed
from weft.model.gateway import ServerTls as Mode
from weft.model.tls_settings import NO_RULES, TlsRules
from weft.model.traffic import TlsMode

ALPN_MESH = "istio"
"""What marks a connection as the mesh's own: an application's TLS never offers it."""

_CURVES = ("X25519MLKEM768", "X25519", "P-256")
_FIPS_CURVES = ("P-256", "P-384")
_FIPS_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
)  # fmt: skip
_SYSTEM_TRUST = "/etc/ssl/certs/ca-certificates.crt"


def ads() -> ConfigSource:
    """The stream everything comes from. A source that stays silent holds a resource back for one second at most."""
    return ConfigSource(ads={}, resource_api_version="V3", initial_fetch_timeout=duration(1))


def mesh_upstream(of: MeshTls, http: bool) -> TransportSocket:
    """mTLS towards a sidecar, which must prove one of the expected identities."""
    context = UpstreamTlsContext(
        common_tls_context=_mesh_context(
            of.identities, (of.trust_domain,), (ALPN_MESH, "h2") if http else (ALPN_MESH,), of.rules
        ),
        sni=of.sni,
    )
    return _socket("envoy.transport_sockets.tls", context)


def mesh_downstream(trust_domains: tuple[str, ...], alpn: tuple[str, ...], rules: TlsRules = NO_RULES) -> TransportSocket:
    """mTLS from a workload of the mesh, or of a domain that it is federated with, whoever it is: what it may do is for
    authorization to say."""
    context = DownstreamTlsContext(
        common_tls_context=_mesh_context((), trust_domains, alpn, rules),
        require_client_certificate={"value": True},
    )
    return _socket("envoy.transport_sockets.tls", context)


def _mesh_context(
    identities: tuple[str, ...], trust_domains: tuple[str, ...], alpn: tuple[str, ...], rules: TlsRules
) -> CommonTlsContext:
    uris = [{"exact": one} for one in identities] or [{"prefix": f"spiffe://{one}/"} for one in trust_domains]
    names = [{"san_type": "URI", "matcher": uri} for uri in uris]
    return CommonTlsContext(
        tls_params=_parameters(rules, TlsParameters(tls_minimum_protocol_version="TLSv1_3", ecdh_curves=_CURVES)),
        alpn_protocols=alpn,
        tls_certificate_sds_secret_configs=[_secret(IDENTITY_SECRET)],
        combined_validation_context={
            "default_validation_context": {"match_typed_subject_alt_names": names},
            "validation_context_sds_secret_config": _secret(TRUST_SECRET),
        },
    )


def _parameters(rules: TlsRules, usual: TlsParameters) -> TlsParameters:
    """What is spoken: `usual`, but for what the mesh's settings say. Whatever it says, TLS 1.3 is the newest."""
    minimum = TlsParameters.TlsProtocol.Value(rules.minimum) if rules.minimum else usual.tls_minimum_protocol_version
    found = TlsParameters(
        tls_minimum_protocol_version=max(minimum, TlsParameters.TLSv1_2) if rules.fips else minimum,
        tls_maximum_protocol_version=usual.tls_maximum_protocol_version or TlsParameters.TLSv1_3,
        ecdh_curves=rules.curves or (_FIPS_CURVES if rules.fips else usual.ecdh_curves),
        cipher_suites=_ciphers(rules, tuple(usual.cipher_suites)),
    )
    if rules.fips:
        found.compliance_policies.append(TlsParameters.FIPS_202205)
    return found


def _ciphers(rules: TlsRules, own: tuple[str, ...]) -> tuple[str, ...]:
    """Those of TLS 1.2: the server's own words come before the mesh's. None is said where only TLS 1.3 is spoken."""
    approved = tuple(one for one in own if one in _FIPS_CIPHERS) if rules.fips else own
    return approved or rules.ciphers or (_FIPS_CIPHERS if rules.fips else ())


def _secret(name: str) -> dict[str, object]:
    return {"name": name, "sds_config": ads()}


def originated(of: OriginatedTls, alpn: tuple[str, ...]) -> TransportSocket:
    """TLS as a DestinationRule writes it. Without CA certificates the system's are trusted, unless verification is off."""
    context = UpstreamTlsContext(common_tls_context=_client_context(of, alpn), sni=of.sni)
    return _socket("envoy.transport_sockets.tls", context)


def _client_context(of: OriginatedTls, alpn: tuple[str, ...]) -> CommonTlsContext:
    tls = of.tls
    context = CommonTlsContext(alpn_protocols=alpn)
    if of.rules != NO_RULES:
        context.tls_params.CopyFrom(_parameters(of.rules, TlsParameters()))
    validation = context.validation_context
    if of.trusted:
        validation = context.combined_validation_context.default_validation_context
        context.combined_validation_context.validation_context_sds_secret_config.CopyFrom(_named(of.trusted))
    if not tls.insecure_skip_verify:
        if not of.trusted:
            validation.trusted_ca.filename = tls.ca_certificates or _SYSTEM_TRUST
        if tls.ca_crl:
            validation.crl.filename = tls.ca_crl
        for name in tls.subject_alt_names or ((of.sni,) if of.sni else ()):
            validation.match_typed_subject_alt_names.add(**_subject(name))
    validation.SetInParent()
    if of.shown:
        context.tls_certificate_sds_secret_configs.add().CopyFrom(_named(of.shown))
    elif tls.mode is TlsMode.MUTUAL:
        context.tls_certificates.add(
            certificate_chain={"filename": tls.client_certificate}, private_key={"filename": tls.private_key}
        )
    return context


def _named(secret: str) -> SdsSecretConfig:
    return SdsSecretConfig(**_secret(secret))


def _subject(name: str) -> dict[str, object]:
    return {"san_type": _kind(name), "matcher": {"exact": name}}


def _kind(name: str) -> str:
    if "://" in name:
        return "URI"
    try:
        ip_address(name)
    except ValueError:
        return "DNS"
    return "IP_ADDRESS"


def server(of: ServerTls, trust_domains: tuple[str, ...], alpn: tuple[str, ...] = ("h2", "http/1.1")) -> TransportSocket:
    """TLS that ends at a gateway."""
    if of.server.tls is Mode.ISTIO_MUTUAL:
        return mesh_downstream(trust_domains, alpn, of.rules)
    return _socket("envoy.transport_sockets.tls", downstream(of, alpn))


def downstream(of: ServerTls, alpn: tuple[str, ...]) -> DownstreamTlsContext:
    """The context of a server. TLS begins with 1.2, unless an older version is written."""
    demands = of.server.demands
    context = CommonTlsContext(
        tls_params=_server_parameters(of),
        alpn_protocols=alpn,
    )
    for name in of.shown:
        context.tls_certificate_sds_secret_configs.add().CopyFrom(_named(name))
    for certificate, key in () if of.shown else of.server.files:
        context.tls_certificates.add(certificate_chain={"filename": certificate}, private_key={"filename": key})
    if of.server.tls.asks:
        _ask(of, context)
    required = of.server.tls is Mode.MUTUAL and not demands.unverified
    return DownstreamTlsContext(common_tls_context=context, require_client_certificate={"value": required})


def _server_parameters(of: ServerTls) -> TlsParameters:
    demands = of.server.demands
    usual = TlsParameters(
        tls_minimum_protocol_version=demands.minimum or "TLSv1_2",
        tls_maximum_protocol_version=demands.maximum or "TLS_AUTO",
        cipher_suites=demands.ciphers,
    )
    return usual if of.rules == NO_RULES else _parameters(replace(of.rules, minimum=""), usual)


def _ask(of: ServerTls, context: CommonTlsContext) -> None:
    """How a caller's certificate is checked."""
    demands = of.server.demands
    checks = CertificateValidationContext(
        verify_certificate_spki=demands.spki,
        verify_certificate_hash=demands.hashes,
        match_typed_subject_alt_names=[_subject(name) for name in demands.names],
        trust_chain_verification="ACCEPT_UNTRUSTED" if demands.unverified else "VERIFY_TRUST_CHAIN",
    )
    if of.server.ca_crl:
        checks.crl.filename = of.server.ca_crl
    if of.trusted:
        context.combined_validation_context.default_validation_context.CopyFrom(checks)
        context.combined_validation_context.validation_context_sds_secret_config.CopyFrom(_named(of.trusted))
        return
    checks.trusted_ca.filename = of.server.ca_certificates
    context.validation_context.CopyFrom(checks)


def _socket(name: str, context: Message) -> TransportSocket:
    return TransportSocket(name=name, typed_config=packed(context))
