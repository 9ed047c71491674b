"""TLS contexts: the mesh's own mTLS, with the identity and trust that the node's agent holds, and what operators write.

Within the mesh only TLS 1.3 is spoken, and the key exchange offered first is the post-quantum hybrid X25519MLKEM768
(https://datatracker.ietf.org/doc/draft-ietf-tls-ecdhe-mlkem/). Keys never pass through the control plane: the contexts name
secrets, and the agent serves them.
"""

from envoy.config.core.v3.base_pb2 import TransportSocket
from envoy.config.core.v3.config_source_pb2 import ConfigSource
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import TlsParameters
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, DownstreamTlsContext, UpstreamTlsContext
from google.protobuf.message import Message

from weft.compile.scope.inputs import MeshTls, OriginatedTls
from weft.envoy.names import IDENTITY_SECRET, TRUST_SECRET
from weft.envoy.types import duration, packed
from weft.model.gateway import Server, ServerTls
from weft.model.traffic import TlsMode

ALPN_MESH = "istio"
"""What marks a connection as the mesh's own: an application's TLS never offers it."""

_CURVES = ("X25519MLKEM768", "X25519", "P-256")
_SYSTEM_TRUST = "/etc/ssl/certs/ca-certificates.crt"


def ads() -> ConfigSource:
    """The stream everything comes from. A source that stays silent holds a resource back for one second at most."""
    return ConfigSource(ads={}, resource_api_version="V3", initial_fetch_timeout=duration(1))


def mesh_upstream(of: MeshTls, http: bool) -> TransportSocket:
    """mTLS towards a sidecar, which must prove one of the expected identities."""
    context = UpstreamTlsContext(
        common_tls_context=_mesh_context(of.identities, of.trust_domain, (ALPN_MESH, "h2") if http else (ALPN_MESH,)),
        sni=of.sni,
    )
    return _socket("envoy.transport_sockets.tls", context)


def mesh_downstream(trust_domain: str, alpn: tuple[str, ...]) -> TransportSocket:
    """mTLS from a sidecar of the mesh, whoever it is: what it may do is for authorization to say."""
    context = DownstreamTlsContext(
        common_tls_context=_mesh_context((), trust_domain, alpn),
        require_client_certificate={"value": True},
    )
    return _socket("envoy.transport_sockets.tls", context)


def _mesh_context(identities: tuple[str, ...], trust_domain: str, alpn: tuple[str, ...]) -> CommonTlsContext:
    uris = [{"exact": one} for one in identities] or [{"prefix": f"spiffe://{trust_domain}/"}]
    names = [{"san_type": "URI", "matcher": uri} for uri in uris]
    return CommonTlsContext(
        tls_params=TlsParameters(
            tls_minimum_protocol_version="TLSv1_3", tls_maximum_protocol_version="TLSv1_3", ecdh_curves=_CURVES
        ),
        alpn_protocols=alpn,
        tls_certificate_sds_secret_configs=[_secret(IDENTITY_SECRET)],
        combined_validation_context={
            "default_validation_context": {"match_typed_subject_alt_names": names},
            "validation_context_sds_secret_config": _secret(TRUST_SECRET),
        },
    )


def _secret(name: str) -> dict[str, object]:
    return {"name": name, "sds_config": ads()}


def originated(of: OriginatedTls, alpn: tuple[str, ...]) -> TransportSocket:
    """TLS as a DestinationRule writes it. Without CA certificates the system's are trusted, unless verification is off."""
    context = UpstreamTlsContext(common_tls_context=_client_context(of, alpn), sni=of.sni)
    return _socket("envoy.transport_sockets.tls", context)


def _client_context(of: OriginatedTls, alpn: tuple[str, ...]) -> CommonTlsContext:
    tls = of.tls
    validation: dict[str, object] = {}
    if not tls.insecure_skip_verify:
        names = tls.subject_alt_names or ((of.sni,) if of.sni else ())
        validation["trusted_ca"] = {"filename": tls.ca_certificates or _SYSTEM_TRUST}
        validation["match_typed_subject_alt_names"] = [_subject(name) for name in names]
    context = CommonTlsContext(alpn_protocols=alpn, validation_context=validation)
    if tls.mode is TlsMode.MUTUAL:
        if tls.credential_name:
            context.tls_certificate_sds_secret_configs.add(**_named_secret(tls.credential_name))
        else:
            context.tls_certificates.add(
                certificate_chain={"filename": tls.client_certificate}, private_key={"filename": tls.private_key}
            )
    return context


def _named_secret(name: str) -> dict[str, object]:
    return _secret(f"kubernetes://{name}")


def _subject(name: str) -> dict[str, object]:
    return {"san_type": "URI" if "://" in name else "DNS", "matcher": {"exact": name}}


def server(of: Server, trust_domain: str) -> TransportSocket:
    """TLS that ends at a gateway."""
    if of.tls is ServerTls.ISTIO_MUTUAL:
        return mesh_downstream(trust_domain, ("h2", "http/1.1"))
    context = CommonTlsContext(
        tls_params=TlsParameters(tls_minimum_protocol_version="TLSv1_2"), alpn_protocols=("h2", "http/1.1")
    )
    if of.credential_name:
        context.tls_certificate_sds_secret_configs.add(**_named_secret(of.credential_name))
    else:
        context.tls_certificates.add(
            certificate_chain={"filename": of.server_certificate}, private_key={"filename": of.private_key}
        )
    mutual = of.tls is ServerTls.MUTUAL
    if mutual and of.credential_name and not of.ca_certificates:
        context.validation_context_sds_secret_config.CopyFrom(
            type(context.validation_context_sds_secret_config)(**_named_secret(f"{of.credential_name}-cacert"))
        )
    elif mutual:
        context.validation_context.trusted_ca.filename = of.ca_certificates
    return _socket(
        "envoy.transport_sockets.tls",
        DownstreamTlsContext(common_tls_context=context, require_client_certificate={"value": mutual}),
    )


def _socket(name: str, context: Message) -> TransportSocket:
    return TransportSocket(name=name, typed_config=packed(context))
