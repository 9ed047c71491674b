"""What ends too soon: certificates with little left of their lives. Pure: time is an argument.

A certificate is renewed at half its life, a root by its operator; what has less than a part of its life left was not renewed, and
somebody must look.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

ROOT_PART = 0.1
"""Of a root's life: a year of ten."""

PART = 0.25
"""Of the life of an intermediate or a workload's certificate."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """`of` is what ends: `root`, `intermediate`, or a proxy's name. `expired`: it has ended already."""

    of: str
    message: str
    hint: str
    expired: bool = False


def alarms(
    roots: Iterable[x509.Certificate], issuer: x509.Certificate, served: Mapping[str, x509.Certificate], now: datetime
) -> tuple[Alarm, ...]:
    """What ends too soon, the sooner the earlier. `served` are the certificates that proxies serve, by their names."""
    found = [
        *(_alarm("root", root, ROOT_PART, "`weft ca rotate --root` replaces it, without a restart", now) for root in roots),
        _alarm(
            "intermediate",
            issuer,
            PART,
            "`weft ca rotate` replaces it; where the root is kept elsewhere `weft ca csr` begins",
            now,
        ),
        *(
            _alarm(name, leaf, PART, "its agent does not renew it: `weft logs agent` tells why", now)
            for name, leaf in served.items()
        ),
    ]
    ordered = sorted((each for each in found if each is not None), key=lambda pair: (pair[0], pair[1].of))
    return tuple(alarm for _, alarm in ordered)


def _alarm(of: str, one: x509.Certificate, part: float, hint: str, now: datetime) -> tuple[datetime, Alarm] | None:
    life, left = one.not_valid_after_utc - one.not_valid_before_utc, one.not_valid_after_utc - now
    if left > life * part:
        return None
    what = f"the {of} certificate" if of in ("root", "intermediate") else f"the certificate that {of} serves"
    when = one.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    expired = left <= timedelta(0)
    said = f"{what} expired at {when}" if expired else f"{what} ends at {when}, in {_span(left)}"
    return one.not_valid_after_utc, Alarm(of, said, hint, expired)


def _span(left: timedelta) -> str:
    if left.days >= 2:
        return f"{left.days} days"
    hours = left.total_seconds() / 3600
    return f"{hours:.0f} hours" if hours >= 2 else f"{left.total_seconds() / 60:.0f} minutes"
