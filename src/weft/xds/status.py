"""How far one proxy is with what it was told."""

from dataclasses import dataclass
from enum import Enum

from weft.envoy.types import TypeUrl
from weft.xds.ledger import Ledger
from weft.xds.rejection import Rejection


class Sync(Enum):
    """SYNCED: it holds what it should. STALE: something is on its way or waits for its turn. NACKED: it refused something and
    goes on with what it had."""

    SYNCED = "SYNCED"
    STALE = "STALE"
    NACKED = "NACKED"


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """One type. `last_ack` is in the clock of who drives the session; None before the first."""

    sync: Sync
    held: int
    last_ack: float | None
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """One proxy. `unknown_names`: unknown hosts with a virtual host of their own; `shared_names`: those beyond the cap;
    `forgotten_names`: those that are not even remembered (a counter); `conflicts`: domains that two virtual hosts claimed
    (a counter)."""

    proxy: str
    types: dict[TypeUrl, TypeStatus]
    unknown_names: int
    shared_names: int
    forgotten_names: int
    conflicts: int

    @property
    def sync(self) -> Sync:
        """The worst of all types."""
        found = {each.sync for each in self.types.values()}
        return next((sync for sync in (Sync.NACKED, Sync.STALE) if sync in found), Sync.SYNCED)


def type_status(ledger: Ledger) -> TypeStatus:
    """The status of one type."""
    if ledger.rejections:
        sync = Sync.NACKED
    elif ledger.due or ledger.flights:
        sync = Sync.STALE
    else:
        sync = Sync.SYNCED
    return TypeStatus(sync, len(ledger.versions()), ledger.last_ack, tuple(ledger.rejections.values()))
