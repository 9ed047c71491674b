"""What holds for traffic when nobody said otherwise: for the mesh, and for a namespace, whose word comes first field by field.

Who is called decides how it is called (timeout, retries, limits, outlier detection); who calls decides which hosts outside it may
call. `precedence.defaults` says which apply.
"""

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TypeVar

from weft.model.route import Retries
from weft.model.traffic import ConnectionPool, OutlierDetection, PortPolicy, RetryBudget
from weft.ref import Ref


@dataclass(frozen=True, slots=True)
class TrafficDefaults:
    """One TrafficDefaults. None: nothing said. Durations are in seconds."""

    namespace: str
    origin: Ref
    timeout: float | None = None
    retries: Retries | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    retry_budget: RetryBudget | None = None
    allow_any: bool | None = None
    created: str = ""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What applies in one namespace, and who said it."""

    timeout: float | None = None
    retries: Retries | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    retry_budget: RetryBudget | None = None
    allow_any: bool | None = None
    origins: tuple[Ref, ...] = ()

    def under(self, policy: PortPolicy) -> PortPolicy:
        """`policy` with the defaults where it says nothing. A limit of retries is not overridden by a default budget."""
        limited = policy.connection_pool is not None and policy.connection_pool.max_retries is not None
        return replace(
            policy,
            connection_pool=_laid(policy.connection_pool, self.connection_pool),
            outlier_detection=_laid(policy.outlier_detection, self.outlier_detection),
            retry_budget=policy.retry_budget if limited else _laid(policy.retry_budget, self.retry_budget),
        )


NO_DEFAULTS = Defaults()

Part = TypeVar("Part", ConnectionPool, OutlierDetection, RetryBudget)


@lru_cache(maxsize=256)
def together(nearest: TrafficDefaults | None, mesh_wide: TrafficDefaults | None) -> Defaults:
    """A namespace's word laid over the mesh's. A retry policy is one thing: the nearest holds whole."""
    found = NO_DEFAULTS
    for one in (mesh_wide, nearest):
        if one:
            found = Defaults(
                found.timeout if one.timeout is None else one.timeout,
                one.retries or found.retries,
                _laid(one.connection_pool, found.connection_pool),
                _laid(one.outlier_detection, found.outlier_detection),
                _laid(one.retry_budget, found.retry_budget),
                found.allow_any if one.allow_any is None else one.allow_any,
                tuple(sorted((*found.origins, one.origin))),
            )
    return found


def _laid(over: Part | None, under: Part | None) -> Part | None:
    """`over`, with the fields of `under` where it says nothing."""
    if over is None or under is None:
        return over or under
    missing = {one.name: getattr(under, one.name) for one in fields(over) if getattr(over, one.name) is None}
    return replace(over, **missing)
