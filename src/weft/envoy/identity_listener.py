"""The listener at which an Envoy shows the certificate that it has in use, to who looks from the same machine: a Unix socket.

Every Envoy has one, also a gateway and a workload that serves nothing, whatever mode of mTLS its ports have. Its secrets are
those that all other listeners and clusters of the Envoy share; to whom it let in it says back what it was told. A look at it
is a TLS handshake, so what is seen is what is served. https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret
"""

from typing import Any

from weft.envoy.names import IDENTITY_SECRET, TRUST_SECRET

IDENTITY_LISTENER = "weft-identity"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_ECHO = "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"


def identity_listener(socket: str) -> dict[str, Any]:
    """The listener at the Unix socket `socket`, as JSON of a bootstrap."""
    context = {
        "@type": _TLS,
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificate_sds_secret_configs": [_secret(IDENTITY_SECRET)],
            "validation_context_sds_secret_config": _secret(TRUST_SECRET),
        },
        "disable_stateless_session_resumption": True,
        "disable_stateful_session_resumption": True,
    }
    chain = {
        "filters": [{"name": "envoy.filters.network.echo", "typed_config": {"@type": _ECHO}}],
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
        "transport_socket_connect_timeout": "5s",
    }
    return {
        "name": IDENTITY_LISTENER,
        "stat_prefix": IDENTITY_LISTENER,
        "address": {"pipe": {"path": socket, "mode": 0o600}},
        "ignore_global_conn_limit": True,
        "filter_chains": [chain],
    }


def _secret(name: str) -> dict[str, Any]:
    return {"name": name, "sds_config": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "1s"}}
