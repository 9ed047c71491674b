"""The keys of JWT-SVIDs over their time, and who gets a token of them."""

import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from weft import jwt
from weft.ca.jwt.keys import JwtKeys, Schedule
from weft.ca.jwt.server import TokensServicer
from weft.identity import SpiffeId
from weft.proto import node_pb2, node_pb2_grpc

from .mesh_authority import DOMAIN, GRANTS, REVIEWS, MeshAuthority, mesh_authority, now

ME = SpiffeId(DOMAIN, "default", "reviews")
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.time = BEGIN

    def __call__(self) -> datetime:
        return self.time


def test_every_token_can_be_checked_with_what_was_read_an_hour_before_or_after(tmp_path: Path) -> None:
    """Over three days of rotations each token's key was published an hour before it signed and is until the token has ended."""
    clock, schedule = Clock(), Schedule()
    keys = JwtKeys(tmp_path / "keys", clock, schedule)
    published: dict[datetime, tuple[jwt.Key, ...]] = {}
    kids = set()
    while clock.time < BEGIN + timedelta(days=3):
        published[clock.time] = keys.public()
        token, ends = keys.token(ME, ["you"])
        for back in (timedelta(), timedelta(minutes=50)):
            known = published.get(clock.time - back, published[clock.time])
            assert jwt.verified(token, known, ("you",), clock.time.timestamp())["sub"] == REVIEWS
        kids.add(jwt.keys({"keys": [each.jwk for each in published[clock.time]]})[0].kid)
        assert ends - clock.time.timestamp() == 300
        clock.time += timedelta(minutes=10)
    assert len(kids) in (3, 4) and max(map(len, published.values())) == 2


def test_keys_are_kept_private_and_over_a_restart(tmp_path: Path) -> None:
    """The file is its owner's alone; who reads it again signs with the same key; a broken one is replaced."""
    path = tmp_path / "keys"
    first = JwtKeys(path, now).public()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert JwtKeys(path, now).public() == first
    path.write_bytes(b"{")
    assert JwtKeys(path, now).public() != first


@pytest_asyncio.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[MeshAuthority]:
    """The servers, with the service of tokens."""
    keys = JwtKeys(tmp_path / "keys", now)
    async with mesh_authority(
        tmp_path,
        more=lambda peers: [
            lambda server: node_pb2_grpc.add_TokensServicer_to_server(TokensServicer(keys, DOMAIN, GRANTS, peers), server)
        ],
    ) as running:
        yield running


async def asked(mesh: MeshAuthority, identity: str, *audiences: str) -> node_pb2.Jwt:
    """What the node `web` is answered."""
    async with mesh.channel(mesh.nodes.port, mesh.node()) as channel:
        request = node_pb2.JwtRequest(spiffe_id=identity, audience=audiences)
        return await node_pb2_grpc.TokensStub(channel).SignJwt(request, timeout=10)


async def test_a_node_gets_tokens_of_its_workloads_only(mesh: MeshAuthority) -> None:
    """An identity that the node is not granted, its own, the control plane's and another domain's are refused."""
    answer = await asked(mesh, REVIEWS, "you")
    assert jwt.unverified(answer.token)["sub"] == REVIEWS
    others = (
        f"spiffe://{DOMAIN}/ns/default/sa/ratings",
        f"spiffe://{DOMAIN}/ns/weft-system/sa/node.web",
        f"spiffe://{DOMAIN}/ns/weft-system/sa/weft-control-plane",
        "spiffe://other/ns/default/sa/reviews",
    )
    for other in others:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await asked(mesh, other, "you")
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("audiences", [(), ("",), ("you", ""), ("x" * 1025,), ("you",) * 21])
async def test_a_token_is_for_somebody(mesh: MeshAuthority, audiences: tuple[str, ...]) -> None:
    """Without an audience, or with more than anybody needs, there is none."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await asked(mesh, REVIEWS, *audiences)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
