"""Secrets of the mesh for one Envoy, answered by the agent itself on the Envoy's own ADS stream: keys never leave the node.

Two names exist: the workload's identity and the trust bundle. A name that cannot be answered yet is answered when it can:
the Envoy waits for it (`initial_fetch_timeout`), and a rotation is pushed. The control plane sees none of this. Every
other secret is the operator's, and the control plane's to tell: `parted` takes an Envoy's requests apart.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.extensions.transport_sockets.tls.v3.tls_spiffe_validator_config_pb2 import SPIFFECertValidatorConfig
from envoy.service.discovery.v3 import discovery_pb2

from weft.agent.identity import Identity
from weft.envoy.names import IDENTITY_SECRET, TRUST_SECRET
from weft.envoy.types import SECRET, packed

_NONCE_PREFIX = "sds."
_OWN = (IDENTITY_SECRET, TRUST_SECRET)


def parted(raw: bytes) -> tuple[bytes, bytes]:
    """A request about secrets as two: what is the agent's to answer, and what the control plane's. Empty: nothing."""
    request = discovery_pb2.DeltaDiscoveryRequest.FromString(raw)
    return _part(request, own=True), _part(request, own=False)


def _part(request: discovery_pb2.DeltaDiscoveryRequest, *, own: bool) -> bytes:
    """Without a name and without an answer there is nothing to say: a first request without names would ask for all."""
    part = discovery_pb2.DeltaDiscoveryRequest(type_url=request.type_url)
    part.resource_names_subscribe.extend(name for name in request.resource_names_subscribe if (name in _OWN) == own)
    part.resource_names_unsubscribe.extend(name for name in request.resource_names_unsubscribe if (name in _OWN) == own)
    for name, version in request.initial_resource_versions.items():
        if (name in _OWN) == own:
            part.initial_resource_versions[name] = version
    if request.response_nonce and request.response_nonce.startswith(_NONCE_PREFIX) == own:
        part.response_nonce = request.response_nonce
        if request.HasField("error_detail"):
            part.error_detail.CopyFrom(request.error_detail)
    if not (part.resource_names_subscribe or part.resource_names_unsubscribe or part.response_nonce):
        return b""
    if request.HasField("node"):
        part.node.CopyFrom(request.node)
    return bytes(part.SerializeToString())


def identity_secret(identity: Identity) -> discovery_pb2.Resource:
    """The certificate chain and private key, inline."""
    secret = secret_pb2.Secret(
        name=IDENTITY_SECRET,
        tls_certificate={
            "certificate_chain": {"inline_bytes": identity.chain},
            "private_key": {"inline_bytes": identity.key},
        },
    )
    return _resource(secret)


def trust_secret(bundle: bytes, domains: Mapping[str, bytes] = {}) -> discovery_pb2.Resource:
    """The roots that peers are checked with, PEM. With `domains`, PEM by trust domain, each is checked with the roots of its own:
    none of them can vouch for another's workloads."""
    if not domains:
        return _resource(secret_pb2.Secret(name=TRUST_SECRET, validation_context={"trusted_ca": {"inline_bytes": bundle}}))
    validator = SPIFFECertValidatorConfig(
        trust_domains=[{"name": name, "trust_bundle": {"inline_bytes": pem}} for name, pem in sorted(domains.items())]
    )
    checked = {"custom_validator_config": {"name": "envoy.tls.cert_validator.spiffe", "typed_config": packed(validator)}}
    return _resource(secret_pb2.Secret(name=TRUST_SECRET, validation_context=checked))


def _resource(secret: secret_pb2.Secret) -> discovery_pb2.Resource:
    body = secret.SerializeToString(deterministic=True)
    version = blake2b(body, digest_size=8).hexdigest()
    return discovery_pb2.Resource(name=secret.name, version=version, resource={"type_url": SECRET, "value": body})


class SecretSession:
    """The SECRET part of one Envoy's stream. `to_envoy` holds what is to be sent."""

    def __init__(self) -> None:
        self.to_envoy: list[bytes] = []
        self.rejection = ""
        self._asked: set[str] = set()
        self._sent: dict[str, str] = {}  # name -> version
        self._known: dict[str, discovery_pb2.Resource] = {}
        self._counter = 0

    def request(self, raw: bytes) -> None:
        """A request came from the Envoy."""
        request = discovery_pb2.DeltaDiscoveryRequest.FromString(raw)
        if request.HasField("error_detail"):
            self.rejection = request.error_detail.message
        elif request.response_nonce:
            self.rejection = ""
        self._sent.update(request.initial_resource_versions)
        for name in request.resource_names_subscribe:
            if name in self._asked:
                self._sent.pop(name, None)  # asked again: it wants an answer, whatever it was told
            self._asked.add(name)
        for name in request.resource_names_unsubscribe:
            self._asked.discard(name)
            self._sent.pop(name, None)
        self._answer()

    def update(self, identity: Identity | None, bundle: bytes, domains: Mapping[str, bytes] = {}) -> None:
        """The workload has another certificate, or whom to trust is another. No identity: it is held back."""
        if identity is not None:
            self._known[IDENTITY_SECRET] = identity_secret(identity)
        if bundle:
            self._known[TRUST_SECRET] = trust_secret(bundle, domains)
        self._answer()

    def _answer(self) -> None:
        due = [name for name in sorted(self._asked & self._known.keys()) if self._sent.get(name) != self._known[name].version]
        if due:
            self._send(self._known[name] for name in due)

    def _send(self, resources: Iterable[discovery_pb2.Resource]) -> None:
        self._counter += 1
        response = discovery_pb2.DeltaDiscoveryResponse(
            type_url=SECRET, resources=resources, nonce=f"{_NONCE_PREFIX}{self._counter}"
        )
        self._sent.update({resource.name: resource.version for resource in response.resources})
        self.to_envoy.append(response.SerializeToString())
