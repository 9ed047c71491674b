"""The certificates of the node and its workloads: kept on disk, renewed before half their life is over, by the wall clock.

The wall clock is looked at several times a second instead of sleeping until a renewal is due: a process that was stopped, or
a machine that slept, for longer than a certificate's life finds out at once. The node's certificate comes first, since
with an expired one nothing else can be asked for.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from weft.agent.config import AgentConfig
from weft.agent.identity import Identity, KeyFolder, identity, write_private
from weft.agent.refusal import Refused, Unreachable
from weft.agent.trust import KeptTrust, Trust, trust
from weft.ca import csr
from weft.ca.key_type import KeyType
from weft.ca.key_type import key as new_key
from weft.identity import SpiffeId
from weft.proto import node_pb2
from weft.trust_bundle import TrustBundle, trust_bundle

LOG = logging.getLogger(__name__)
TICK = 0.25
_RETRY_UNREACHABLE, _RETRY_REFUSED = 0.5, 2.0  # seconds
_NODE_NAMESPACE = "weft-system"


def node_id(trust_domain: str, node: str) -> SpiffeId:
    """The identity of a node."""
    return SpiffeId(trust_domain, _NODE_NAMESPACE, f"node.{node}")


class Enrollment(Protocol):
    """Who gives a node its certificate when it has no valid one."""

    async def join(self, token: str, node: str, csr: bytes) -> node_pb2.Certificate:
        """The first one."""
        ...

    async def renew(self, expired: bytes, csr: bytes, signature: bytes) -> node_pb2.Certificate:
        """The next one for an expired one."""
        ...


class Signer(Protocol):
    """Who signs for a node with a valid certificate."""

    async def sign(self, spiffe_id: str, csr: bytes, root: str = "") -> node_pb2.Certificate:
        """A certificate; `root` as in NodeClient. Raises Refused or Unreachable."""
        ...


@dataclass(slots=True)
class _Slot:
    """One workload's identity, and when it is looked after next (wall clock)."""

    spiffe_id: SpiffeId
    due: float = 0.0
    identity: Identity | None = None
    refusal: str = ""
    observers: list[Callable[[], None]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Certificates:
    """All identities of the node, and the trust bundle they are checked with."""

    def __init__(self, config: AgentConfig, enrollment: Enrollment) -> None:
        self._config = config
        self._enrollment = enrollment
        self._on_node: Callable[[Identity, bytes], None] = lambda identity, bundle: None
        self._keys = KeyFolder(config.directory / "keys")
        self._bundle_path = config.directory / "bundle.pem"
        self._joining_path = config.directory / "joining.pem"
        self._told = KeptTrust(config.directory / "trust.pb")
        self._node: Identity | None = None
        self._node_due = 0.0
        self._unheard = False
        self._asking: ec.EllipticCurvePrivateKey | None = None
        self._slots: dict[str, _Slot] = {}
        self._rotated = asyncio.Event()
        self.bundle = b""
        self.signer: Signer | None = None
        self.rotations = 0

    def connect(self, signer: Signer, on_node: Callable[[Identity, bytes], None]) -> None:
        """Who signs, and who is told each new certificate and bundle of the node. Before `load`."""
        self.signer, self._on_node = signer, on_node

    @property
    def trusted(self) -> TrustBundle:
        """The roots of the mesh, which Envoys and workloads are told. Raises ValueError before `load`."""
        return trust_bundle(self._config.trust_domain, self.bundle)

    @property
    def trusts(self) -> Trust:
        """The same, with token keys and federated domains."""
        return trust(self.trusted, self._told.told)

    @property
    def domains(self) -> Mapping[str, bytes]:
        """The roots (PEM) of each trust domain whose workloads are known; empty when that is the mesh's own alone."""
        domains = self.trusts.domains if self._told.told.aliases or self._told.told.federated else {}
        return {name: domain.roots.pem for name, domain in domains.items()}

    def take(self, told: node_pb2.Trust) -> None:
        """Takes what the control plane told of whom to trust beside the mesh's roots."""
        if self._told.take(told):
            LOG.info("trust changed aliases=%d federated=%s", len(told.aliases), [each.trust_domain for each in told.federated])
            for slot in self._slots.values():
                _tell(slot)

    @property
    def node(self) -> Identity | None:
        """The node's own identity."""
        return self._node

    def load(self) -> None:
        """Reads what an earlier run kept."""
        path = self._bundle_path if self._bundle_path.exists() else Path(self._config.trust)
        self.bundle = path.read_bytes()
        self._told.read()
        self._node = self._keys.read("node")
        if self._node and self._node.uri != str(node_id(self._config.trust_domain, self._config.node)):
            self._node = None
        if self._node:
            self._node_due = self._node.renewal(_jitter())
            self._on_node(self._node, self.bundle)

    async def run(self) -> None:
        """Keeps every certificate valid until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._look_after_node()
                now = time.time()
                for name, slot in self._slots.items():
                    if now >= slot.due and (slot.task is None or slot.task.done()) and self._usable(now):
                        slot.task = tasks.create_task(self._look_after(name, slot))
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(TICK):
                await self._rotated.wait()
        except TimeoutError:
            pass
        self._rotated.clear()

    def _usable(self, now: float) -> bool:
        return self._node is not None and not self._node.expired(now) and self.signer is not None

    # The node's own

    async def _look_after_node(self) -> None:
        now, (unheard, self._unheard) = time.time(), (self._unheard, False)
        if now < self._node_due and not (unheard and self._node):
            return
        key = self._asking = self._asking or self._joining_key()
        uri = str(node_id(self._config.trust_domain, self._config.node))
        try:
            answer = await self._node_certificate(csr.request(key, uri), uri, now)
            fresh = identity(csr.key_pem(key), answer.chain)
        except (Refused, Unreachable, OSError, ValueError) as error:
            self._node_due = self._node_due if now < self._node_due else now + _pause_after(error)
            LOG.warning("node certificate not renewed reason=%r", str(error))
            return
        self._keys.write("node", fresh)
        self._joining_path.unlink(missing_ok=True)
        self._node, self._node_due, self._asking = fresh, fresh.renewal(_jitter()), None
        self.rotations += 1
        LOG.info("node certificate renewed until=%s", _utc(fresh.not_after))
        self.trust(answer.bundle, announce=False)
        self._on_node(fresh, self.bundle)

    def _joining_key(self) -> ec.EllipticCurvePrivateKey:
        """A key to ask for the node's certificate with. It is kept until the answer came: a join token that was used is good for
        the same key again, also when this agent was killed in between."""
        try:
            return csr.private_key(self._joining_path.read_bytes())
        except (OSError, ValueError):
            key = csr.new_key()
            write_private(self._joining_path, csr.key_pem(key))
            return key

    async def _node_certificate(self, request: bytes, uri: str, now: float) -> node_pb2.Certificate:
        if self._node is None:
            return await self._enrollment.join(self._token(), self._config.node, request)
        if self._node.expired(now) or self.signer is None:
            return await self._renewed(self._node, request)
        try:
            return await self.signer.sign(uri, request)
        except Unreachable:  # it may be away, or not accept our certificate any more: a root was replaced meanwhile
            return await self._renewed(self._node, request)

    async def _renewed(self, expired: Identity, request: bytes) -> node_pb2.Certificate:
        proof = csr.proof(csr.private_key(expired.key), request)
        try:
            return await self._enrollment.renew(expired.chain, request, proof)
        except Refused as refused:
            if not self._config.token_file:
                raise
            LOG.warning("node certificate not renewed, joining again reason=%r", str(refused))
            return await self._enrollment.join(self._token(), self._config.node, request)

    def _token(self) -> str:
        return Path(self._config.token_file).read_text().strip() if self._config.token_file else ""

    def trust(self, bundle: bytes, announce: bool = True) -> None:
        """Takes a trust bundle that the control plane sent."""
        if not bundle or bundle == self.bundle:
            return
        write_private(self._bundle_path, bundle)
        self.bundle = bundle
        LOG.info("trust bundle changed")
        if announce and self._node:
            self._on_node(self._node, bundle)
        self._renew(lambda kept: not kept.leads_to(bundle))
        for slot in self._slots.values():
            _tell(slot)

    def renew_unless(self, issuer: str) -> None:
        """Renews now what another than `issuer` (SHA-256 of its certificate) issued; empty: nothing."""
        if issuer:
            self._renew(lambda kept: kept.issuer != issuer)

    def renew_node(self) -> None:
        """Tries once to have the node's certificate renewed by who asks for none: with the one it has it is not heard."""
        self._unheard = True

    def _renew(self, wanted: Callable[[Identity], bool]) -> None:
        now = time.time()
        if self._node and wanted(self._node):
            self._node_due = min(self._node_due, now)
        for slot in self._slots.values():
            if slot.identity and wanted(slot.identity):
                slot.due = min(slot.due, now)
        self._rotated.set()

    # The workloads'

    def require(self, name: str, spiffe_id: SpiffeId) -> None:
        """From now on `name` (`namespace/name`) has a certificate of `spiffe_id`."""
        slot = self._slots.get(name)
        if slot and slot.spiffe_id == spiffe_id:
            return
        kept = self._keys.read(name)
        usable = kept if kept and kept.uri == str(spiffe_id) and not kept.expired(time.time()) else None
        good = usable is not None and not self._outlives(usable) and usable.leads_to(self.bundle)
        due = usable.renewal(_jitter()) if usable and good else 0.0
        self._slots[name] = _Slot(spiffe_id, due, usable, observers=slot.observers if slot else [])
        _tell(self._slots[name])
        self._rotated.set()

    def _outlives(self, kept: Identity) -> bool:
        """Whether a certificate of an earlier run lives longer than certificates are to live now."""
        wanted = self._config.certificate_lifetime
        return bool(wanted) and kept.not_after > time.time() + 1.5 * wanted

    def release(self, name: str) -> None:
        """`name` is gone: its key is removed."""
        slot = self._slots.pop(name, None)
        if slot and slot.task:
            slot.task.cancel()
        self._keys.forget(name)

    def of(self, name: str) -> Identity | None:
        """The identity of a workload; None while it has none that is valid."""
        slot = self._slots.get(name)
        return slot.identity if slot else None

    def observe(self, name: str, observer: Callable[[], None]) -> Callable[[], None]:
        """Calls `observer` whenever the identity of `name` or the trust bundle changes. The answer ends that."""
        slot = self._slots.setdefault(name, _Slot(SpiffeId("", "", ""), due=float("inf")))
        slot.observers.append(observer)

        def end() -> None:
            current = self._slots.get(name)
            for observers in (slot.observers, current.observers if current else []):
                if observer in observers:
                    observers.remove(observer)

        return end

    async def ready(self, name: str) -> Identity:
        """The identity of a workload, waited for."""
        changed = asyncio.Event()
        end = self.observe(name, changed.set)
        try:
            while (found := self.of(name)) is None:
                changed.clear()
                await changed.wait()
            return found
        finally:
            end()

    def refusal(self, name: str) -> str:
        """Why the last certificate of `name` was refused; empty when it was not."""
        slot = self._slots.get(name)
        return slot.refusal if slot else ""

    async def _look_after(self, name: str, slot: _Slot) -> None:
        if self.signer is None:
            return
        kind = KeyType(self._config.key_type or KeyType.P256)
        key = csr.new_key() if kind is KeyType.P256 else await asyncio.to_thread(new_key, kind)
        try:
            answer = await self.signer.sign(str(slot.spiffe_id), csr.request(key, str(slot.spiffe_id)))
            fresh = identity(csr.key_pem(key), answer.chain)
        except (Refused, Unreachable, ValueError) as error:
            if str(error) != slot.refusal:
                LOG.warning("certificate not renewed workload=%s reason=%r", name, str(error))
            slot.refusal, slot.due = str(error), time.time() + _pause_after(error)
            return
        if self._slots.get(name) is not slot:
            return
        self._keys.write(name, fresh)
        slot.identity, slot.due, slot.refusal = fresh, fresh.renewal(_jitter()), ""
        self.rotations += 1
        LOG.info("certificate renewed workload=%s until=%s", name, _utc(fresh.not_after))
        self.trust(answer.bundle)
        _tell(slot)


def _tell(slot: _Slot) -> None:
    for observer in tuple(slot.observers):
        observer()


def _pause_after(error: Exception) -> float:
    return _RETRY_REFUSED if isinstance(error, Refused) else _RETRY_UNREACHABLE


def _jitter() -> float:
    return random.uniform(-1.0, 1.0)


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
