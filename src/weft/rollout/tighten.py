"""Refusing plaintext without breaking a call: the states of a tightening, and what leads from one to the next.

    ACKNOWLEDGING --everybody acknowledged--> ENFORCING --nothing failed for as long as it is watched--> DONE
         |                                        |
         +--plaintext, or nobody answers--> FAILED +--plaintext, or failures--> REVERTING --as before everywhere--> REVERTED

Before ENFORCING nothing is changed. Every state may be decided upon again, by a control plane that has just started: what is to
be done in it can be done twice.
"""

from dataclasses import dataclass, replace
from enum import Enum

from weft.rollout.scope import Scope


class Phase(Enum):
    """Where a tightening stands."""

    ACKNOWLEDGING = "acknowledging"
    ENFORCING = "enforcing"
    REVERTING = "reverting"
    DONE = "done"
    REVERTED = "reverted"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether nothing will follow."""
        return self in (Phase.DONE, Phase.REVERTED, Phase.FAILED)


class Action(Enum):
    """What the phase asks to have done."""

    NOTHING = "nothing"
    ENFORCE = "enforce"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Sighting:
    """Plaintext that came to a port of a workload (`namespace/app`) from an address, how often, and when last (Unix seconds).
    `refused`: it was turned away."""

    workload: str
    port: int
    address: str
    count: int
    last: float
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.address} to {self.workload} port {self.port}"


@dataclass(frozen=True, slots=True)
class Failures:
    """Requests to the scope in the last seconds, and how many of them failed."""

    requests: int = 0
    failed: int = 0

    @property
    def share(self) -> float:
        """The part that failed; 0 without requests."""
        return self.failed / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How careful it is. Seconds: `window` without plaintext before, `watch` afterwards, `patience` with proxies that do not
    answer. Failures that bring it back: `failed` of them, and a part larger by `share` than it was before."""

    window: float = 600.0
    watch: float = 30.0
    patience: float = 30.0
    failed: int = 5
    share: float = 0.05


@dataclass(frozen=True, slots=True)
class Tightening:
    """One, as it is kept. Times are Unix seconds: `since` is when its phase began. `resource` (`namespace/name`) is the
    PeerAuthentication that is written, `before` its specification before (JSON; empty: it did not exist). `waiting` are the
    proxies that have not answered yet, `reason` is why it ended as it did, `plaintext` what was seen."""

    scope: Scope
    limits: Limits
    resource: str
    before: str
    began: float
    since: float
    phase: Phase = Phase.ACKNOWLEDGING
    baseline: float = 0.0
    waiting: tuple[str, ...] = ()
    reason: str = ""
    plaintext: tuple[Sighting, ...] = ()

    def into(self, phase: Phase, now: float, reason: str = "") -> "Tightening":
        """The same in another phase."""
        return replace(self, phase=phase, since=now, reason=reason or self.reason)


@dataclass(frozen=True, slots=True)
class Seen:
    """The mesh at a moment. `waiting` are the proxies that have not acknowledged all they were told. `plaintext`: what came to
    the scope in the window; `failures`: of the last seconds. `tight`: STRICT is written, and in effect in the mesh; `aborted`:
    somebody wants to have it undone."""

    now: float
    waiting: tuple[str, ...] = ()
    plaintext: tuple[Sighting, ...] = ()
    failures: Failures = Failures()
    tight: bool = False
    aborted: bool = False


def decided(of: Tightening, seen: Seen) -> tuple[Tightening, Action]:
    """The state to keep, and what is to be done in it now."""
    of = replace(of, waiting=seen.waiting)
    match of.phase:
        case Phase.ACKNOWLEDGING:
            return _acknowledging(of, seen)
        case Phase.ENFORCING:
            return _enforcing(of, seen)
        case Phase.REVERTING:
            return _reverting(of, seen)
        case _:
            return of, Action.NOTHING


def _acknowledging(of: Tightening, seen: Seen) -> tuple[Tightening, Action]:
    recent = tuple(one for one in seen.plaintext if one.last >= int(seen.now - of.limits.window))
    if seen.aborted:
        return of.into(Phase.FAILED, seen.now, "aborted before anything was changed"), Action.NOTHING
    if recent:
        what = f"plaintext came meanwhile: {_listed(recent)}"
        return replace(of, plaintext=recent).into(Phase.FAILED, seen.now, what), Action.NOTHING
    if not seen.waiting:
        return replace(of, baseline=seen.failures.share).into(Phase.ENFORCING, seen.now), Action.ENFORCE
    if seen.now - of.since > of.limits.patience:
        what = f"not acknowledged within {of.limits.patience:g} s by {', '.join(seen.waiting[:10])}: nothing was changed"
        return of.into(Phase.FAILED, seen.now, what), Action.NOTHING
    return of, Action.NOTHING


def _enforcing(of: Tightening, seen: Seen) -> tuple[Tightening, Action]:
    met = tuple(one for one in seen.plaintext if one.last >= int(of.since))  # sightings have whole seconds
    if seen.aborted:
        return of.into(Phase.REVERTING, seen.now, "aborted"), Action.RESTORE
    if met:
        return replace(of, plaintext=met).into(Phase.REVERTING, seen.now, f"plaintext came: {_listed(met)}"), Action.RESTORE
    failed = seen.failures
    if failed.failed >= of.limits.failed and failed.share > of.baseline + of.limits.share:
        what = f"{failed.failed} of {failed.requests} requests failed in the last seconds, {of.baseline:.1%} before"
        return of.into(Phase.REVERTING, seen.now, what), Action.RESTORE
    over = seen.now - of.since >= of.limits.watch
    if over and seen.tight and not seen.waiting:
        return of.into(Phase.DONE, seen.now), Action.NOTHING
    if over and seen.now - of.since > of.limits.watch + of.limits.patience:
        what = f"not acknowledged by {', '.join(seen.waiting[:10])}" if seen.waiting else "it could not be written"
        return of.into(Phase.REVERTING, seen.now, what), Action.RESTORE
    return of, Action.NOTHING if seen.tight else Action.ENFORCE


def _reverting(of: Tightening, seen: Seen) -> tuple[Tightening, Action]:
    """Over when the proxies have it; one that is away gets it when it comes back."""
    over = not seen.tight and (not seen.waiting or seen.now - of.since > of.limits.patience)
    return (of.into(Phase.REVERTED, seen.now), Action.NOTHING) if over else (of, Action.RESTORE)


def _listed(plaintext: tuple[Sighting, ...]) -> str:
    return ", ".join(dict.fromkeys(str(one) for one in plaintext[:10]))
