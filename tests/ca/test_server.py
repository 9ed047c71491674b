"""The services of the authority, over the wire."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from cryptography import x509

from weft.ca import csr
from weft.ca.attestation import control_plane_identity, node_identity
from weft.ca.certificate import uris
from weft.identity import SpiffeId, spiffe_id
from weft.proto import node_pb2, node_pb2_grpc

from .authorities import authority
from .mesh_authority import DOMAIN, REVIEWS, KeyPair, MeshAuthority, key_pair, mesh_authority, now

WEB = str(node_identity(DOMAIN, "web"))
HOUR = timedelta(hours=1)


@pytest_asyncio.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[MeshAuthority]:
    """Two servers."""
    async with mesh_authority(tmp_path) as running:
        yield running


def uri(answer: node_pb2.Certificate) -> str:
    """The identity of an issued certificate."""
    (only,) = uris(x509.load_pem_x509_certificates(answer.chain)[0])
    return only


async def test_a_node_joins_with_a_token_and_asks_for_its_workloads(mesh: MeshAuthority) -> None:
    """From the token to a workload's certificate, and to the node's own next one."""
    key = csr.new_key()
    joined = await mesh.join(mesh.tokens.create("web", now()), "web", csr.request(key, WEB))
    assert uri(joined) == WEB and joined.bundle == mesh.authority.bundle
    assert abs(joined.not_after - (now() + timedelta(hours=24)).timestamp()) < 10
    node = KeyPair(csr.key_pem(key), joined.chain)
    assert uri(await mesh.sign(node)) == REVIEWS
    assert uri(await mesh.sign(node, WEB)) == WEB


@pytest.mark.parametrize(
    "identity",
    [
        f"spiffe://{DOMAIN}/ns/default/sa/ratings",
        f"spiffe://{DOMAIN}/ns/data/sa/db",
        str(node_identity(DOMAIN, "db")),
        str(control_plane_identity(DOMAIN)),
        "spiffe://example.org/ns/default/sa/reviews",
    ],
    ids=["another workload's", "another node's workload's", "another node's", "the control plane's", "another mesh's"],
)
async def test_a_node_that_asks_for_another_identity_is_refused(mesh: MeshAuthority, identity: str) -> None:
    """It is granted reviews only."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await mesh.sign(mesh.node(), identity)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_request_for_another_name_than_the_one_asked_for_is_refused(mesh: MeshAuthority) -> None:
    """The right identity beside the message, another one in the request."""
    other = csr.request(csr.new_key(), f"spiffe://{DOMAIN}/ns/default/sa/ratings")
    for request in (other, b"junk", b""):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await mesh.sign(mesh.node(), REVIEWS, request)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_bad_request_does_not_cost_the_token(mesh: MeshAuthority) -> None:
    """It is read before the token is used up."""
    token = mesh.tokens.create("web", now())
    for node, request in (("web", b"junk"), ("web", csr.request(csr.new_key(), REVIEWS)), ("Web!", None)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await mesh.join(token, node, request)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert uri(await mesh.join(token, "web")) == WEB


async def test_an_expired_node_certificate_is_renewed_for_who_holds_its_key(mesh: MeshAuthority) -> None:
    """A suspended machine comes back by itself."""
    old = key_pair(mesh.authority, spiffe_id(WEB), HOUR, now() - timedelta(days=20))
    assert uri(await mesh.renew(old, csr.request(csr.new_key(), WEB))) == WEB


async def test_a_renewal_is_refused_to_everybody_else(mesh: MeshAuthority) -> None:
    """Too old, of a workload, of a node that is gone, of another mesh, or not signed with the old key."""
    week = now() - timedelta(days=7)
    good = key_pair(mesh.authority, spiffe_id(WEB), HOUR, week)
    gone = node_identity(DOMAIN, "gone")
    cases = (
        (key_pair(mesh.authority, spiffe_id(WEB), HOUR, now() - timedelta(days=31)), WEB, None),
        (key_pair(mesh.authority, spiffe_id(REVIEWS), HOUR, week), REVIEWS, None),
        (key_pair(mesh.authority, gone, HOUR, week), str(gone), None),
        (key_pair(authority(now=now() - timedelta(days=9)), spiffe_id(WEB), HOUR, week), WEB, None),
        (good, WEB, b""),
        (good, WEB, csr.proof(csr.new_key(), csr.request(csr.new_key(), WEB))),
    )
    for pair, name, signature in cases:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await mesh.renew(pair, csr.request(csr.new_key(), name), signature)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await mesh.renew(good, csr.request(csr.new_key(), str(node_identity(DOMAIN, "db"))))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_servers_own_certificate_rotates_under_load_and_open_streams_stay(tmp_path: Path) -> None:
    """Six seconds of life, several renewals, new connections all the time: none fails, and an old channel still works."""
    sign = node_pb2.SignRequest(spiffe_id=REVIEWS, csr=csr.request(csr.new_key(), REVIEWS))
    async with mesh_authority(tmp_path, own_life=timedelta(seconds=6)) as mesh, mesh.channel(mesh.nodes.port, mesh.node()) as old:
        node, chains = mesh.node(), set()
        ends = asyncio.get_running_loop().time() + 10
        while asyncio.get_running_loop().time() < ends:
            assert uri(await mesh.sign(node)) == REVIEWS
            assert uri(await node_pb2_grpc.CertificatesStub(old).Sign(sign)) == REVIEWS
            chains.add(mesh.own.current().chain)
            await asyncio.sleep(0.05)
        assert len(chains) >= 3


async def test_a_suspended_control_plane_shows_no_expired_certificate(tmp_path: Path) -> None:
    """The first handshake after the end of its certificate already gets a new one."""
    async with mesh_authority(tmp_path, own_life=timedelta(seconds=2), period=60) as mesh:
        node = mesh.node()
        await asyncio.sleep(2.2)
        assert uri(await mesh.sign(node)) == REVIEWS


async def test_a_server_of_another_mesh_is_not_believed(mesh: MeshAuthority) -> None:
    """Nor one that shows a workload's certificate: the agent verifies the name of the control plane."""
    other = authority(now=now())
    async with mesh.channel(mesh.strangers.port, bundle=other.bundle) as channel:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.channel_ready(), 1)


def test_the_identity_of_a_node_is_no_workloads() -> None:
    """No service account in another namespace becomes a node by its name."""
    assert SpiffeId(DOMAIN, "weft-system", "node.web") == node_identity(DOMAIN, "web")
