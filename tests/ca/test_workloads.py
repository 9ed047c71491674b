"""Workloads that no agent runs: what they must show to get a certificate, against real servers."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from weft import jwt
from weft.ca import csr
from weft.ca.attestation import JoinTokens, RefusedToken
from weft.ca.authority import Authority
from weft.ca.certificate import uris
from weft.ca.server import Lifetimes, Office
from weft.ca.transport.own_certificate import OwnCertificate
from weft.ca.transport.server import STRANGERS, Listener, RefusalLog
from weft.ca.workloads.kubernetes import Kubernetes, KubernetesSettings, Unavailable
from weft.ca.workloads.server import AttestationServicer
from weft.identity import SpiffeId
from weft.proto import node_pb2, node_pb2_grpc

from .authorities import authority
from .mesh_authority import DOMAIN, GRANTS, KeyPair, key_pair, now

WEB = SpiffeId(DOMAIN, "shop", "web")
ISSUER = "https://kubernetes.default.svc"
KEY, NEXT, STRANGE = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))


class Cluster:
    """What a cluster answers: its keys, and reviews of tokens by its own look at them."""

    def __init__(self) -> None:
        self.keys = [jwt.Key("one", KEY.public_key())]
        self.reviewer, self.knows_audiences, self.asked = "reviewer", True, 0
        cluster = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                cluster.asked += 1
                self._say(200, jwt.key_set(cluster.keys))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path != "/apis/authentication.k8s.io/v1/tokenreviews":
                    self._say(404, {})
                elif self.headers["authorization"] != f"Bearer {cluster.reviewer}":
                    self._say(401, {"kind": "Status"})
                else:
                    self._say(201, {**body, "status": cluster.reviewed(body["spec"])})

            def _say(self, status: int, said: object) -> None:
                content = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def reviewed(self, spec: dict[str, Any]) -> dict[str, Any]:
        """The status of a TokenReview, as an API server gives it."""
        try:
            claims = jwt.verified(spec["token"], self.keys, spec["audiences"], now().timestamp())
        except jwt.InvalidToken as problem:
            return {"authenticated": False, "error": str(problem)}
        known = {"audiences": spec["audiences"]} if self.knows_audiences else {}
        return {"authenticated": True, "user": {"username": claims["sub"]}, **known}

    def close(self) -> None:
        """Is not there any more."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster that answers."""
    made = Cluster()
    yield made
    made.close()


def token(by: ec.EllipticCurvePrivateKey = KEY, kid: str = "one", **changes: Any) -> str:
    """A service account's token as Kubernetes projects it, or one that is not quite."""
    moment = int(now().timestamp())
    said = {
        "iss": ISSUER,
        "sub": "system:serviceaccount:shop:web",
        "aud": ["weft"],
        "iat": moment,
        "exp": moment + 600,
        **changes,
    }
    return jwt.signed(said, kid, by)


def by_keys(cluster: Cluster, clock: Any = now) -> Kubernetes:
    """Tokens are checked with the cluster's keys."""
    return Kubernetes(KubernetesSettings(issuer=ISSUER, keys=f"{cluster.url}/openid/v1/jwks"), clock)


def by_review(cluster: Cluster, folder: Path) -> Kubernetes:
    """Its API server is asked."""
    (folder / "token").write_text("reviewer\n")
    return Kubernetes(KubernetesSettings(api=cluster.url, credential=str(folder / "token")), now)


async def test_a_service_account_is_known_by_its_token(cluster: Cluster, tmp_path: Path) -> None:
    """By the cluster's keys, from an address or a file, and by its API server; of what is not quite such a token nothing is
    believed."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(jwt.key_set(cluster.keys)))
    of_file = Kubernetes(KubernetesSettings(issuer=ISSUER, keys=str(file)), now)
    for one in (by_keys(cluster), by_review(cluster, tmp_path), of_file):
        assert await one.account(token()) == ("shop", "web")
        bad = (
            token(STRANGE),
            token(STRANGE, "two"),
            token(aud=["https://kubernetes.default.svc"]),
            token(exp=int(now().timestamp()) - 1),
            token(sub="admin"),
            token(sub="system:serviceaccount:shop:web:more"),
            token(sub="system:serviceaccount:../a:web"),
            token(sub="system:node:web"),
            "",
            "a.b.c",
            "x" * 20_000,
        )
        for wrong in bad:
            with pytest.raises(RefusedToken):
                await one.account(wrong)
    for one in (by_keys(cluster), of_file):
        with pytest.raises(RefusedToken, match="another issuer"):
            await one.account(token(iss="https://elsewhere"))


async def test_an_api_server_that_knows_no_audiences_is_not_believed(cluster: Cluster, tmp_path: Path) -> None:
    """It would vouch for tokens that were for somebody else; one that does not let us ask says nothing of the token."""
    one = by_review(cluster, tmp_path)
    cluster.knows_audiences = False
    with pytest.raises(RefusedToken, match="audience"):
        await one.account(token())
    cluster.reviewer = "somebody else"
    with pytest.raises(Unavailable):
        await one.account(token())


async def test_new_keys_of_a_cluster_are_asked_for_and_old_ones_serve_through_an_outage(cluster: Cluster) -> None:
    """A token of an unknown key asks again, but not for each token; a cluster that is away is asked again later, and never taken
    for a no."""
    time = [now()]
    one = by_keys(cluster, lambda: time[0])
    assert await one.account(token()) == ("shop", "web")
    cluster.keys.append(jwt.Key("two", NEXT.public_key()))
    for _ in range(5):
        with pytest.raises(RefusedToken):
            await one.account(token(NEXT, "two"))
    assert cluster.asked == 1
    time[0] += timedelta(seconds=11)
    assert await one.account(token(NEXT, "two")) == ("shop", "web")
    cluster.close()
    time[0] += timedelta(seconds=400)
    assert await one.account(token()) == ("shop", "web")
    with pytest.raises(Unavailable):
        await by_keys(cluster).account(token())


@pytest.mark.parametrize(
    "settings",
    [
        KubernetesSettings(),
        KubernetesSettings(issuer=ISSUER),
        KubernetesSettings(issuer=ISSUER, keys="/keys", api="https://a"),
        KubernetesSettings(keys="/keys"),
        KubernetesSettings(issuer=ISSUER, keys="http://elsewhere/keys"),
        KubernetesSettings(api="http://10.0.0.1"),
        KubernetesSettings(api="https://a", audience=""),
    ],
)
def test_settings_that_would_trust_too_much_are_named(settings: KubernetesSettings) -> None:
    """Both ways or none, keys of nobody, plain HTTP that others can read, and tokens for anybody."""
    assert settings.problem() and not KubernetesSettings(issuer=ISSUER, keys="https://a/keys").problem()


class Bootstrap:
    """The service on a real port."""

    def __init__(self, issuer: Authority, tokens: JoinTokens, port: int) -> None:
        self.authority, self.tokens, self.port = issuer, tokens, port
        self.key = csr.new_key()

    async def call(self, method: str, request: Any) -> node_pb2.Certificate:
        """What a stranger is answered."""
        credentials = grpc.ssl_channel_credentials(self.authority.bundle)
        options = [("grpc.ssl_target_name_override", "weft.local"), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(f"127.0.0.1:{self.port}", credentials, options) as channel:
            return await getattr(node_pb2_grpc.AttestationStub(channel), method)(request, timeout=10)

    async def attest(self, request: bytes | None = None, **evidence: str) -> str:
        """Whose certificate it is, or the name of the refusal."""
        asked = csr.nameless_request(self.key) if request is None else request
        try:
            self.last = await self.call("Attest", node_pb2.AttestRequest(csr=asked, **evidence))
        except grpc.aio.AioRpcError as refused:
            return str(refused.code().name)
        return _uri(self.last)

    async def renew(self, old: KeyPair, request: bytes | None = None, signature: bytes | None = None) -> str:
        """The same of a renewal."""
        asked = csr.nameless_request(csr.new_key()) if request is None else request
        proof = csr.proof(csr.private_key(old.key), asked) if signature is None else signature
        try:
            return _uri(await self.call("Renew", node_pb2.RenewRequest(certificates=old.chain, csr=asked, signature=proof)))
        except grpc.aio.AioRpcError as refused:
            return str(refused.code().name)


def _uri(answer: node_pb2.Certificate) -> str:
    (only,) = uris(x509.load_pem_x509_certificates(answer.chain)[0])
    return only


@asynccontextmanager
async def bootstrap(folder: Path, cluster: Kubernetes | None) -> AsyncIterator[Bootstrap]:
    """It runs while the block does."""
    issuer = authority(now=now() - timedelta(days=60))
    office = Office(lambda: issuer, GRANTS, Lifetimes(), now)
    tokens = JoinTokens(folder / "tokens.db")
    servicer = AttestationServicer(office, tokens, cluster, RefusalLog())
    listener = Listener("strangers", OwnCertificate(lambda: issuer, now), STRANGERS, mutual=False)
    await listener.start("127.0.0.1", 0, [lambda server: node_pb2_grpc.add_AttestationServicer_to_server(servicer, server)])
    try:
        yield Bootstrap(issuer, tokens, listener.port)
    finally:
        await listener.stop(0)


@pytest_asyncio.fixture
async def office(tmp_path: Path, cluster: Cluster) -> AsyncIterator[Bootstrap]:
    """The service, that knows a cluster."""
    async with bootstrap(tmp_path, by_keys(cluster)) as running:
        yield running


async def test_a_token_gives_the_identity_that_it_is_bound_to_once(office: Bootstrap) -> None:
    """For the same key again, whose answer was lost; for another one never. A mistake in the request does not cost the token."""
    made = office.tokens.create_for(WEB, now())
    other = csr.request(csr.new_key(), f"spiffe://{DOMAIN}/ns/shop/sa/admin")
    assert await office.attest(other, join_token=made) == "INVALID_ARGUMENT"
    assert await office.attest(join_token=made) == str(WEB)
    assert await office.attest(join_token=made) == str(WEB)
    assert await office.attest(csr.nameless_request(csr.new_key()), join_token=made) == "UNAUTHENTICATED"
    assert await office.attest(csr.request(csr.new_key(), str(WEB)), join_token=office.tokens.create_for(WEB, now())) == str(WEB)
    late = office.tokens.create_for(WEB, now() - timedelta(hours=1))
    nodes = office.tokens.create("web", now())
    for wrong in (late, nodes, f"{made}x", made.partition(".")[0], "", "a.b"):
        assert await office.attest(join_token=wrong) == "UNAUTHENTICATED"
    assert await office.attest() == "INVALID_ARGUMENT"
    with pytest.raises(ValueError):
        office.tokens.create_for(SpiffeId(DOMAIN, "weft-system", "weft-control-plane"), now())


async def test_a_workloads_token_is_no_nodes(office: Bootstrap, tmp_path: Path) -> None:
    """A node cannot join with it, whatever it calls itself."""
    made = office.tokens.create_for(WEB, now())
    for node in ("web", "ns/shop/sa/admin"):
        with pytest.raises(RefusedToken):
            office.tokens.consume(made, node, now(), b"key")


async def test_a_service_account_of_the_cluster_gets_its_own_name(office: Bootstrap, tmp_path: Path) -> None:
    """Nobody gets one of the system's namespace; without a cluster no such token is taken."""
    assert await office.attest(kubernetes_token=token()) == str(WEB)
    assert await office.attest(kubernetes_token=token(STRANGE)) == "UNAUTHENTICATED"
    system = token(sub="system:serviceaccount:weft-system:weft-control-plane")
    assert await office.attest(kubernetes_token=system) == "UNAUTHENTICATED"
    async with bootstrap(tmp_path / "other", None) as without:
        assert await without.attest(kubernetes_token=token()) == "UNAUTHENTICATED"


async def test_a_certificate_is_renewed_by_its_key_while_its_owner_belongs_to_the_mesh(office: Bootstrap) -> None:
    """Of a workload that joined with a token, expired of late too; of others, with another key, for another name, and after it
    was sent away it is not."""
    await office.attest(join_token=office.tokens.create_for(WEB, now()))
    mine = KeyPair(csr.key_pem(office.key), office.last.chain)
    assert await office.renew(mine) == str(WEB)
    ended = key_pair(office.authority, WEB, timedelta(hours=1), now() - timedelta(days=10))
    assert await office.renew(ended) == str(WEB)
    stranger = KeyPair(csr.key_pem(csr.new_key()), office.last.chain)
    foreign = key_pair(authority(now=now() - timedelta(days=60)), WEB)
    never = key_pair(office.authority, SpiffeId(DOMAIN, "shop", "admin"))
    node = key_pair(office.authority, SpiffeId(DOMAIN, "weft-system", "node.web"))
    long_ago = key_pair(office.authority, WEB, timedelta(hours=1), now() - timedelta(days=40))
    for wrong in (stranger, foreign, never, node, long_ago):
        assert await office.renew(wrong) == "UNAUTHENTICATED"
    assert await office.renew(mine, csr.request(csr.new_key(), str(never))) == "INVALID_ARGUMENT"
    assert await office.renew(mine, signature=b"") == "UNAUTHENTICATED"
    unused = office.tokens.create_for(WEB, now())
    office.tokens.send_away("ns/shop/sa/web")
    assert await office.renew(mine) == "UNAUTHENTICATED"
    assert await office.attest(join_token=unused) == "UNAUTHENTICATED"
