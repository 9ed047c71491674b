"""Secrets as the agent answers them."""

from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from envoy.extensions.transport_sockets.tls.v3.tls_spiffe_validator_config_pb2 import SPIFFECertValidatorConfig
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from weft.agent.identity import Identity
from weft.agent.sds import SecretSession, parted
from weft.envoy.names import IDENTITY_SECRET, TRUST_SECRET
from weft.envoy.types import SECRET

FIRST = Identity(b"key 1", b"chain 1", 0, 10)
SECOND = Identity(b"key 2", b"chain 2", 0, 10)


def _asks(*names: str, ack: str = "") -> bytes:
    request = DeltaDiscoveryRequest(type_url=SECRET, resource_names_subscribe=names, response_nonce=ack)
    return bytes(request.SerializeToString())


def _sent(session: SecretSession) -> list[DeltaDiscoveryResponse]:
    sent, session.to_envoy = session.to_envoy, []
    return [DeltaDiscoveryResponse.FromString(raw) for raw in sent]


def test_a_secret_that_is_not_there_yet_is_answered_when_it_is() -> None:
    """A question before the first certificate is silent, then answered; the trust bundle does not wait for it."""
    session = SecretSession()
    session.update(None, b"roots")
    session.request(_asks(IDENTITY_SECRET, TRUST_SECRET))
    assert [each.name for each in _sent(session)[0].resources] == [TRUST_SECRET]
    session.update(FIRST, b"roots")
    [response] = _sent(session)
    assert [each.name for each in response.resources] == [IDENTITY_SECRET]
    assert b"key 1" in response.resources[0].resource.value


def test_a_rotation_is_pushed_and_an_equal_secret_is_not() -> None:
    """Only what changed is sent again, with another nonce and version."""
    session = SecretSession()
    session.update(FIRST, b"roots")
    session.request(_asks(IDENTITY_SECRET))
    [first] = _sent(session)
    session.request(_asks(ack=first.nonce))
    session.update(FIRST, b"roots")
    assert _sent(session) == []
    session.update(SECOND, b"roots")
    [second] = _sent(session)
    assert second.nonce != first.nonce and second.resources[0].version != first.resources[0].version


def test_a_name_that_is_asked_again_is_answered_again() -> None:
    """An Envoy that subscribes once more has lost what it was told."""
    session = SecretSession()
    session.update(FIRST, b"roots")
    session.request(_asks(IDENTITY_SECRET))
    session.request(_asks(IDENTITY_SECRET))
    assert len(_sent(session)) == 2


def _parted(**said: object) -> tuple[DeltaDiscoveryRequest | None, DeltaDiscoveryRequest | None]:
    raw = DeltaDiscoveryRequest(type_url=SECRET, **said).SerializeToString()
    own, theirs = (DeltaDiscoveryRequest.FromString(part) if part else None for part in parted(raw))
    return own, theirs


def test_a_request_for_both_kinds_of_secrets_is_taken_apart() -> None:
    """The agent answers for the mesh's own, the control plane for all others."""
    own, theirs = _parted(resource_names_subscribe=["default", "kubernetes://a/b"], initial_resource_versions={"ROOTCA": "1"})
    assert own and theirs
    assert list(own.resource_names_subscribe) == ["default"] and dict(own.initial_resource_versions) == {"ROOTCA": "1"}
    assert list(theirs.resource_names_subscribe) == ["kubernetes://a/b"] and not theirs.initial_resource_versions


def test_an_acknowledgement_goes_to_who_sent_the_response() -> None:
    """It is told by the nonce; the other is told nothing, above all no request without names, which would ask for everything."""
    assert _parted(response_nonce="sds.1") == (DeltaDiscoveryRequest(type_url=SECRET, response_nonce="sds.1"), None)
    assert _parted(response_nonce="1.4") == (None, DeltaDiscoveryRequest(type_url=SECRET, response_nonce="1.4"))
    own, theirs = _parted(response_nonce="1.4", resource_names_subscribe=["default"])
    assert own and theirs and not own.response_nonce and theirs.response_nonce == "1.4"


def test_each_trust_domain_is_checked_with_its_own_roots() -> None:
    """Once other domains are known, the secret says which roots are whose; when they are not any more, it is as before."""
    session = SecretSession()
    session.update(FIRST, b"roots", {"own": b"roots", "other": b"others"})
    session.request(_asks(TRUST_SECRET))
    [response] = _sent(session)
    told = Secret.FromString(response.resources[0].resource.value).validation_context
    assert not told.HasField("trusted_ca") and told.custom_validator_config.name == "envoy.tls.cert_validator.spiffe"
    checked = SPIFFECertValidatorConfig.FromString(told.custom_validator_config.typed_config.value)
    assert {one.name: one.trust_bundle.inline_bytes for one in checked.trust_domains} == {"own": b"roots", "other": b"others"}
    session.update(FIRST, b"roots")
    [response] = _sent(session)
    assert Secret.FromString(response.resources[0].resource.value).validation_context.trusted_ca.inline_bytes == b"roots"
