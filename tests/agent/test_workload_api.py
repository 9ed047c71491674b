"""The Workload API's parts: whose a process is, tokens that are used again, and what is answered."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from ca.authorities import authority
from cryptography.hazmat.primitives.asymmetric import ec

from weft import jwt
from weft.agent.refusal import Unreachable
from weft.agent.trust import trust
from weft.agent.workload_api import answers
from weft.agent.workload_api.attestation import Applications, descends, status
from weft.agent.workload_api.tokens import Tokens
from weft.proto import node_pb2
from weft.trust_bundle import TrustBundle

NOW = 1_800_000_000.0
KEY, THEIRS = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def test_a_process_is_of_the_workload_it_descends_from_or_shares_a_session_with() -> None:
    """A child, one in a session of its own, and one whose parents ended are; a process beside is not, nor one that ended."""
    script = "import subprocess, sys, time\n"
    script += "child = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
    script += "orphan = subprocess.check_output(['sh', '-c', 'sleep 60 >/dev/null & echo $!'])\n"
    script += "print(child.pid, int(orphan), flush=True)\ntime.sleep(60)"
    beside = subprocess.Popen(["sleep", "60"])
    app = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert app.stdout
    child, orphan = map(int, app.stdout.readline().split())
    try:
        applications = Applications()
        applications.update({app.pid: "default/web-0"})
        found = [applications.workload(pid) for pid in (app.pid, child, orphan)]
        assert found == ["default/web-0"] * 3
        assert descends(child, app.pid) and not descends(beside.pid, app.pid)
        assert [applications.workload(pid) for pid in (beside.pid, os.getpid(), 0, 1, 2**22 + 1)] == [None] * 5
        applications.update({})
        assert applications.workload(app.pid) is None
    finally:
        for pid in (child, orphan):
            os.kill(pid, 9)
        for process in (app, beside):
            process.kill()
            process.wait()


def test_a_number_that_another_process_has_since_is_not_the_workloads() -> None:
    """A process is known by when it began, too."""
    applications = Applications()
    applications.update({os.getpid(): "default/web-0"})
    assert applications.workload(os.getpid()) == "default/web-0"
    mine = status(os.getpid())
    assert mine is not None
    applications._workloads[os.getpid()] = ("default/web-0", mine.started - 1)
    assert applications.workload(os.getpid()) is None


async def test_a_token_is_asked_for_again_after_half_its_life() -> None:
    """It is given out again until then; and longer, to its last ten seconds, while the control plane is away."""
    clock, asked, away = [NOW], [0], [False]

    async def sign(spiffe_id: str, audiences: list[str]) -> node_pb2.Jwt:
        if away[0]:
            raise Unreachable("away")
        asked[0] += 1
        return node_pb2.Jwt(token=f"{spiffe_id} {audiences} {asked[0]}", not_after=int(clock[0] + 300))

    tokens = Tokens(sign, lambda: clock[0])
    first = await tokens.token("me", ("a",))
    clock[0] += 140
    assert await tokens.token("me", ("a",)) == first
    assert await tokens.token("me", ("b",)) != first
    clock[0] += 20
    second = await tokens.token("me", ("a",))
    assert second != first and asked[0] == 3
    away[0] = True
    clock[0] += 280
    assert await tokens.token("me", ("a",)) == second
    clock[0] += 15
    with pytest.raises(Unreachable):
        await tokens.token("me", ("a",))


def told(trust_domain: str = "partner.example") -> node_pb2.Trust:
    """The mesh's own key, an alias, and a domain that is federated."""
    ours = jwt.key_set((jwt.Key("ours", KEY.public_key()),), "jwt-svid")
    theirs = jwt.key_set((jwt.Key("theirs", THEIRS.public_key()),), "jwt-svid")
    other = authority(trust_domain)
    federated = node_pb2.FederatedDomain(trust_domain=trust_domain, bundle=other.bundle, jwks=_json(theirs))
    broken = node_pb2.FederatedDomain(trust_domain="broken.example", bundle=b"nothing")
    return node_pb2.Trust(jwks=_json(ours), aliases=["old.local"], federated=[federated, broken])


def _json(document: object) -> bytes:
    import json

    return json.dumps(document).encode()


def token(key: ec.EllipticCurvePrivateKey, kid: str, subject: str) -> str:
    """A token as an authority makes it."""
    return jwt.signed({"sub": subject, "aud": ["me"], "exp": NOW + 60, "groups": ["a", {"b": None}]}, kid, key)


def test_a_token_is_checked_with_the_keys_of_its_own_trust_domain() -> None:
    """Ours under our name and its aliases, a federated domain's under its own; none vouches for another's subjects."""
    trusted = trust(TrustBundle("cluster.local", authority().trusted.roots), told())
    good = (
        (KEY, "ours", "spiffe://cluster.local/ns/default/sa/a"),
        (KEY, "ours", "spiffe://old.local/ns/default/sa/a"),
        (THEIRS, "theirs", "spiffe://partner.example/any/path"),
    )
    for key, kid, subject in good:
        found = answers.validated(token(key, kid, subject), "me", trusted, NOW)
        assert found.spiffe_id == subject and found.claims["groups"][1]["b"] is None
    bad = (
        (THEIRS, "theirs", "spiffe://cluster.local/ns/default/sa/a"),
        (KEY, "ours", "spiffe://partner.example/any/path"),
        (KEY, "ours", "spiffe://unknown.example/a"),
        (KEY, "ours", "cluster.local/ns/default/sa/a"),
    )
    for key, kid, subject in bad:
        with pytest.raises(answers.NotValid):
            answers.validated(token(key, kid, subject), "me", trusted, NOW)


def test_bundles_are_told_by_the_ids_of_their_trust_domains() -> None:
    """All that are trusted, the mesh's own and its aliases among them; a domain whose roots cannot be read is left out."""
    own = authority().trusted
    trusted = trust(own, told())
    names = ["spiffe://cluster.local", "spiffe://old.local", "spiffe://partner.example"]
    roots = answers.x509_bundles(trusted).bundles
    assert sorted(roots) == names and roots[names[0]] == roots[names[1]] == b"".join(own.roots) != roots[names[2]]
    assert sorted(answers.jwt_bundles(trusted).bundles) == names


def test_an_identity_is_told_with_its_key_and_the_bundles_of_others() -> None:
    """The one X.509-SVID is DER, leaf first, and its own domain's bundle is not among the federated ones."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    from weft.agent.identity import identity
    from weft.ca import csr
    from weft.identity import SpiffeId

    issuer, key, me = authority(), csr.new_key(), SpiffeId("cluster.local", "default", "a")
    issued = issuer.issue(csr.request(key, str(me)), me, timedelta(hours=1), datetime.now(UTC))
    answer = answers.x509_svid(identity(csr.key_pem(key), issued.chain), trust(issuer.trusted, told()))
    (svid,) = answer.svids
    leaf = x509.load_der_x509_certificate(svid.x509_svid[: len(svid.x509_svid) - len(_last(issued.chain))])
    private = serialization.load_der_private_key(svid.x509_svid_key, None)
    assert svid.spiffe_id == str(me) and leaf.public_key() == private.public_key()
    assert sorted(answer.federated_bundles) == ["spiffe://old.local", "spiffe://partner.example"]


def _last(chain: bytes) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_pem_x509_certificates(chain)[-1].public_bytes(Encoding.DER)
