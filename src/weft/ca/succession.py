"""How one root (or intermediate) follows another: the states, in which nothing goes on before what it needs is proven.

    root:          trust-both -> reissue -> prove -> drop-old
    intermediate:                reissue -> prove
    abort:         -> revert, and then the old one goes on

Each state says what every proxy must show (`demand`), `proof.py` what is lacking of it. Pure: `succession_files.py` keeps it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What is replaced."""

    ROOT = "root"
    INTERMEDIATE = "intermediate"


class State(StrEnum):
    """Where a rotation stands. The last two are no states to wait in: what they say is done, also after a crash."""

    TRUST_BOTH = "trust-both"
    REISSUE = "reissue"
    PROVE = "prove"
    DROP_OLD = "drop-old"
    REVERT = "revert"
    PROMOTE = "promote"
    ABANDON = "abandon"


class CannotChange(Exception):
    """What was asked of a rotation and cannot be done now, and why."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """One rotation. `old_root`, `new_root`, `old_issuer` and `new_issuer` are SHA-256 of certificates (the roots are one when
    only the intermediate is replaced); `started` and `since` (of the state) are times as Kubernetes writes them.
    `stepwise`: it pauses in each state. `compromised`: the old key may be in other hands, so that nothing of it is accepted
    longer than it must be."""

    kind: Kind
    state: State
    old_root: str
    new_root: str
    old_issuer: str
    new_issuer: str
    started: str
    since: str
    paused: bool = False
    stepwise: bool = False
    compromised: bool = False

    @property
    def signs_new(self) -> bool:
        """Whether it is the new one that signs."""
        return self.state in (State.REISSUE, State.PROVE, State.DROP_OLD, State.PROMOTE)

    @property
    def trusts_old(self) -> bool:
        """Whether the old root is still trusted."""
        return self.kind is Kind.INTERMEDIATE or self.state not in (State.DROP_OLD, State.PROMOTE)

    @property
    def trusts_new(self) -> bool:
        """Whether the new root is trusted."""
        return self.kind is Kind.INTERMEDIATE or self.state is not State.ABANDON


@dataclass(frozen=True, slots=True)
class Demand:
    """What every proxy must show in a state: a chain to `root` (empty: to any that is trusted), issued by `issuer` (empty:
    anybody), whose agent holds one of `issuer`; it lets clients of the roots `accepts` in and turns those of `refuses` away.
    `wire`: it must be seen on the wire."""

    root: str = ""
    issuer: str = ""
    accepts: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    wire: bool = True

    @property
    def tried(self) -> frozenset[str]:
        """The roots whose clients are tried."""
        return self.accepts | self.refuses


_AFTER = {
    State.TRUST_BOTH: State.REISSUE,
    State.REISSUE: State.PROVE,
    State.DROP_OLD: State.PROMOTE,
    State.REVERT: State.ABANDON,
}


def following(rotation: Rotation, now: str) -> Rotation:
    """The state after the one whose demand is met."""
    if rotation.state is State.PROVE:
        state = State.DROP_OLD if rotation.kind is Kind.ROOT else State.PROMOTE
    else:
        state = _AFTER[rotation.state]
    return replace(rotation, state=state, since=now, paused=rotation.stepwise and state not in (State.PROMOTE, State.ABANDON))


def first(kind: Kind) -> State:
    """The state a rotation begins in."""
    return State.TRUST_BOTH if kind is Kind.ROOT else State.REISSUE


def paused(rotation: Rotation, wanted: bool) -> Rotation:
    """The rotation that waits where it is, or goes on. Raises CannotChange when it does so already."""
    if rotation.paused == wanted:
        raise CannotChange("the rotation is paused already" if wanted else "the rotation is not paused")
    return replace(rotation, paused=wanted)


def aborted(rotation: Rotation, now: str) -> Rotation:
    """The rotation on its way back. Raises CannotChange when there is none: from `drop-old` on the old root is not trusted."""
    if rotation.state is State.DROP_OLD:
        raise CannotChange(
            "every proxy serves the new chain and the old root is being dropped: there is no way back\n"
            "  hint: let it end, and rotate once more"
        )
    if rotation.state is State.REVERT:
        raise CannotChange("the rotation is being taken back already")
    return replace(rotation, state=State.REVERT, since=now, paused=False)


def demand(rotation: Rotation | None) -> Demand:
    """What every proxy must show now. Without a rotation: a chain to a root that is trusted."""
    if rotation is None:
        return Demand()
    new = frozenset({rotation.new_root}) if rotation.kind is Kind.ROOT else frozenset[str]()
    old = frozenset({rotation.old_root}) if rotation.kind is Kind.ROOT else frozenset[str]()
    match rotation.state:
        case State.TRUST_BOTH:
            return Demand(accepts=new)
        case State.REISSUE:
            return Demand(issuer=rotation.new_issuer, accepts=new, wire=False)
        case State.PROVE:
            return Demand(rotation.new_root, rotation.new_issuer, accepts=new)
        case State.DROP_OLD:
            return Demand(rotation.new_root, rotation.new_issuer, accepts=new, refuses=old)
        case State.REVERT:
            return Demand(rotation.old_root, rotation.old_issuer, accepts=old)
    return Demand()


def wanted_issuer(rotation: Rotation | None) -> str:
    """Who is to have issued every certificate: what others issued is renewed now. Empty: in its own time."""
    if rotation is None or rotation.state is State.TRUST_BOTH:
        return ""
    return rotation.new_issuer if rotation.signs_new else rotation.old_issuer
