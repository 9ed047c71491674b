"""The SPIFFE Workload API as the official Python library uses it, in a mesh whose certificates live for seconds."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

from processes.mesh import RunningMesh, running_mesh
from weft.proto import workload_pb2
from weft.supervisor.home import read

LIFETIME = 6
PROGRAM = Path(__file__).parent / "programs" / "spiffe_identity.py"
WEB = "spiffe://cluster.local/ns/default/sa/web"
MESH = f"""
services:
  web: {{command: {sys.executable} {PROGRAM} watch}}
  other: {{command: {sys.executable} {PROGRAM} once, x-weft: {{serviceAccount: someone}}, restart: "no"}}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """One mesh for all tests of this file."""
    with running_mesh(tmp_path_factory.mktemp("mesh"), MESH, "--certificate-lifetime", f"{LIFETIME}s") as running:
        yield running


def said(mesh: RunningMesh, instance: str, what: str) -> list[Any]:
    """What an application has said of `what` until now."""
    lines = [json.loads(line) for line in mesh.log(f"app/default/{instance}").splitlines() if line.startswith("{")]
    return [line[what] for line in lines if what in line]


def outside(socket: Path) -> dict[str, str]:
    """What a process gets that the mesh did not start."""
    environ = {**os.environ, "SPIFFE_ENDPOINT_SOCKET": f"unix://{socket}"}
    done = subprocess.run([sys.executable, PROGRAM, "once"], env=environ, capture_output=True, text=True, timeout=20, check=True)
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_an_application_follows_its_identity_over_two_rotations(mesh: RunningMesh) -> None:
    """The official library gets the workload's X.509-SVID and each next one, over a restart of the agent; every one is valid for
    the bundle and later than the one before."""
    mesh.until(lambda: said(mesh, "web-0", "x509"))
    mesh.killed("agent")

    def three() -> list[dict[str, Any]]:
        found = said(mesh, "web-0", "x509")  # after a restart the one it has already may come once more
        return found if len({each["serial"] for each in found}) >= 3 else []

    seen = mesh.until(three, LIFETIME * 4)
    assert {each["id"] for each in seen} == {WEB}
    ends = [each["until"] for each in seen]
    assert ends == sorted(ends)


def test_an_application_gets_and_checks_tokens(mesh: RunningMesh) -> None:
    """A JWT-SVID is of the workload and for the audiences that were asked for; the agent accepts it for them and for no other,
    and gives the same one again while it is fresh."""
    [token] = mesh.until(lambda: said(mesh, "web-0", "jwt"))
    refusal = token.pop("other audience")
    assert token == {"id": WEB, "audience": ["ratings", "reviews"], "same": True, "keys": 1}
    assert "another audience" in refusal


def test_each_process_gets_the_identity_of_its_own_workload(mesh: RunningMesh) -> None:
    """A child gets its parent's identity, also in a session of its own; another workload gets another one."""
    assert mesh.until(lambda: said(mesh, "web-0", "child")) == [{"id": WEB}]
    assert mesh.until(lambda: said(mesh, "other-0", "id"))[0] == "spiffe://cluster.local/ns/default/sa/someone"


def test_a_process_outside_the_mesh_is_refused(mesh: RunningMesh) -> None:
    """A process of the same user that the mesh did not start gets no identity, neither at the socket nor at the one behind it."""
    runtime = mesh.home.runtime
    assert "no identity issued" in outside(runtime / "spiffe.sock")["refused"]
    assert "no identity issued" in outside(runtime / "inner-spiffe.sock")["refused"]


def test_a_call_without_the_header_is_refused(mesh: RunningMesh) -> None:
    """Without the security header every method answers INVALID_ARGUMENT before anything else is looked at."""

    async def codes() -> set[str]:
        async with grpc.aio.insecure_channel(f"unix:{mesh.home.workload_api}") as channel:
            found = set()
            for method in ("FetchX509SVID", "FetchX509Bundles", "FetchJWTSVID", "FetchJWTBundles", "ValidateJWTSVID"):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    call = channel.unary_unary(f"/SpiffeWorkloadAPI/{method}")
                    await call(workload_pb2.X509SVIDRequest().SerializeToString(), timeout=5)
                found.add(refused.value.code().name)
            return found

    assert asyncio.run(codes()) == {"INVALID_ARGUMENT"}


def test_a_workload_without_an_agent_joins_with_a_token(mesh: RunningMesh, tmp_path: Path) -> None:
    """The token is for one service account and is used once; the certificate is valid for the bundle, and renewed until the
    account is sent away."""
    token = tmp_path / "token"
    token.write_text(mesh.weft("token", "create", "--service-account", "batch", "-n", "jobs").out)
    where = ("--server", read(mesh.home.serve_file)["enroll"], "--trust", str(mesh.home.path / "ca" / "root.crt"))
    got, other = tmp_path / "got", tmp_path / "other"
    mesh.weft("attest", *where, "--out", str(got), "--token-file", str(token))
    assert "not valid" in mesh.weft("attest", *where, "--out", str(other), "--token-file", str(token), code=1).err
    leaf, signer = x509.load_pem_x509_certificates((got / "svid.pem").read_bytes())
    (root,) = x509.load_pem_x509_certificates((got / "bundle.pem").read_bytes())
    leaf.verify_directly_issued_by(signer)
    signer.verify_directly_issued_by(root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://cluster.local/ns/jobs/sa/batch"]
    assert (got / "svid.key").stat().st_mode & 0o077 == 0
    mesh.weft("attest", *where, "--out", str(got))
    assert x509.load_pem_x509_certificate((got / "svid.pem").read_bytes()) != leaf
    mesh.weft("token", "revoke", "batch", "-n", "jobs")
    assert "was sent away" in mesh.weft("attest", *where, "--out", str(got), code=1).err
