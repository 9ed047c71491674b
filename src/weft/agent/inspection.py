"""What the node's proxies serve, looked at when the control plane asks: the chain of a TLS handshake with each, and whether it
lets clients of certain roots in.

The clients are the node itself, with short-lived certificates that the control plane signs under the root in question. What
was seen is told as it is: what it proves is for the control plane to judge.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from weft.agent.certificates import Certificates, node_id
from weft.agent.config import AgentConfig
from weft.agent.handshake import NotShown, chain, lets_in
from weft.agent.identity import Identity, identity, write_private
from weft.agent.instance import Address
from weft.agent.refusal import Refused, Unreachable
from weft.ca import csr
from weft.proto import node_pb2

LOG = logging.getLogger(__name__)
_AT_ONCE = 8  # handshakes; each is a millisecond of an Envoy's time
_SETTLING = 0.2  # seconds within which an Envoy takes a certificate that its agent has just got


@dataclass(frozen=True, slots=True)
class Target:
    """A proxy: where it shows its certificate, and the ports at which the mesh calls it."""

    key: str
    socket: Path
    inbound: tuple[Address, ...]


class Inspection:
    """Looks when it is asked to; of several questions the latest counts."""

    def __init__(
        self,
        config: AgentConfig,
        certificates: Certificates,
        targets: Callable[[], list[Target]],
        sighted: Callable[[list[node_pb2.Sighting]], None],
    ) -> None:
        """`targets` are the node's proxies; `sighted` is told what was seen."""
        self._config = config
        self._certificates = certificates
        self._targets = targets
        self._sighted = sighted
        self._folder = config.directory / "trials"
        self._wanted: node_pb2.Look | None = None
        self._asked = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def ask(self, look: node_pb2.Look) -> None:
        """A look is wanted."""
        self._certificates.renew_unless(look.issuer)
        self._wanted = look
        self._asked.set()

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            if self._wanted is not None:
                self._sighted(await self._look(self._wanted))

    async def _look(self, look: node_pb2.Look) -> list[node_pb2.Sighting]:
        clients = {root: client for root in look.roots if (client := await self._client(root))}
        rows = await asyncio.gather(*(self._sighting(target, look, clients) for target in self._targets()))
        return [self._own(look), *rows]

    def _own(self, look: node_pb2.Look) -> node_pb2.Sighting:
        """The node itself: what it trusts is what its channel to the control plane is made with."""
        trusted = frozenset(self._certificates.trusted.fingerprints)
        held = self._certificates.node
        return node_pb2.Sighting(
            look=look.number,
            accepts=[root for root in look.roots if root in trusted],
            refuses=[root for root in look.roots if root not in trusted],
            held=held.issuer if held else "",
            leaf=held.leaf if held else "",
        )

    async def _sighting(self, target: Target, look: node_pb2.Look, clients: dict[str, Path]) -> node_pb2.Sighting:
        held = self._certificates.of(target.key)
        seen = node_pb2.Sighting(proxy=target.key, look=look.number)
        async with self._slots:
            try:
                served = await self._served(target, held)
                for root, client in clients.items():
                    (seen.accepts if await lets_in(target.socket, client) else seen.refuses).append(root)
            except NotShown as problem:
                served, seen.problem = (), str(problem)
        held = self._certificates.of(target.key) or held
        if held:
            seen.held, seen.leaf = held.issuer, held.leaf
        seen.chain.extend(served)
        return seen

    async def _served(self, target: Target, held: Identity | None) -> tuple[bytes, ...]:
        """What the Envoy shows; where one of its ports shows another certificate of this workload than its own socket, that
        one."""
        served = await chain(target.socket)
        for place in target.inbound:
            try:
                at_port = await chain((place.host, place.port))
            except NotShown:
                continue  # no mTLS at this port
            if at_port[0] != served[0] and _is_of(at_port[0], held):
                await asyncio.sleep(_SETTLING)
                served = await chain(target.socket)
                at_port = await chain((place.host, place.port))
                if at_port[0] != served[0]:
                    return at_port
        return served

    async def _client(self, root: str) -> Path | None:
        """A file with a key and certificate under `root`, made anew when the last one is half over."""
        path = self._folder / f"{root[:32]}.pem"
        signer, uri = self._certificates.signer, str(node_id(self._config.trust_domain, self._config.node))
        if signer is None or _is_fresh(path):
            return path if signer else None
        key = csr.new_key()
        try:
            answer = await signer.sign(uri, csr.request(key, uri), root)
        except (Refused, Unreachable) as error:
            LOG.warning("no certificate to try a root with root=%s reason=%r", root[:12], str(error))
            return None
        await asyncio.to_thread(write_private, path, csr.key_pem(key) + answer.chain)
        return path


def _is_of(served: bytes, held: Identity | None) -> bool:
    """Whether a served certificate is one of the workload, and not of an application that speaks TLS itself."""
    return held is not None and bool(held.uri) and held.uri.encode() in served


def _is_fresh(path: Path) -> bool:
    try:
        content = path.read_bytes()
        start = content.index(b"-----BEGIN CERTIFICATE-----")
        kept = identity(content[:start], content[start:])
    except (OSError, ValueError):
        return False
    return kept.not_before <= time.time() < (kept.not_before + kept.not_after) / 2
