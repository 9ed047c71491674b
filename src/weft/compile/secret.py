"""A secret as Envoy gets it: a certificate with its key, the authorities that peers are checked with, or words.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/secret.proto
"""

from typing import Any

from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

from weft.compile.scope.inputs import SecretInput
from weft.envoy.types import SECRET, EnvoyResource, envoy_resource


def secret(of: SecretInput) -> EnvoyResource:
    """The secret, inline: what is in it never was a file of the proxy's node."""
    shown = of.shown
    if shown is not None:
        message = Secret(
            name=of.name,
            tls_certificate={
                "certificate_chain": {"inline_bytes": shown.chain},
                "private_key": {"inline_bytes": shown.private_key},
            },
        )
        return envoy_resource(SECRET, of.name, message, hosts=of.sources, origins=(shown.origin,))
    if of.words:
        message = Secret(name=of.name, generic_secret={"secret": {"inline_bytes": of.words}})
        return envoy_resource(SECRET, of.name, message, hosts=of.sources, origins=(of.origin,) if of.origin else ())
    context: dict[str, Any] = {"trusted_ca": {"inline_bytes": _joined(*(one.authorities for one in of.trusted))}}
    if revoked := _joined(*(one.revoked for one in of.trusted)):
        context["crl"] = {"inline_bytes": revoked}
    message = Secret(name=of.name, validation_context=context)
    return envoy_resource(SECRET, of.name, message, hosts=of.sources, origins=tuple(one.origin for one in of.trusted))


def _joined(*parts: bytes) -> bytes:
    return b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts if part.strip())
