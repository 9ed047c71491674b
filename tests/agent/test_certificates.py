"""The node's first certificate, when its agent is killed in between."""

import asyncio
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from weft.agent.certificates import Certificates
from weft.agent.config import AgentConfig, ControlPlane
from weft.proto import node_pb2


class Deaf:
    """An authority whose answers are lost. `keys` are those it was asked to sign, `asked` says that it was."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.asked = asyncio.Event()

    async def join(self, token: str, node: str, csr: bytes) -> node_pb2.Certificate:
        """Never answers."""
        key = x509.load_der_x509_csr(csr).public_key()
        self.keys.append(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def renew(self, expired: bytes, csr: bytes, signature: bytes) -> node_pb2.Certificate:
        """Is not asked."""
        raise AssertionError


async def test_a_successor_joins_with_the_key_of_its_predecessor(tmp_path: Path) -> None:
    """A join token is good for one key: an agent that was killed before the answer came leaves that key to the next one."""
    (tmp_path / "root.crt").write_bytes(b"")
    (tmp_path / "token").write_text("a.b")
    config = AgentConfig(
        node="one",
        home=str(tmp_path),
        run=str(tmp_path),
        supervisor="",
        control_plane=ControlPlane("", ""),
        trust=str(tmp_path / "root.crt"),
        token_file=str(tmp_path / "token"),
    )
    authority = Deaf()
    for _ in range(2):
        authority.asked.clear()
        certificates = Certificates(config, authority)
        certificates.load()
        life = asyncio.create_task(certificates.run())
        await asyncio.wait_for(authority.asked.wait(), 5)
        life.cancel()
        with suppress(asyncio.CancelledError):
            await life
    first, second = authority.keys
    assert first == second
