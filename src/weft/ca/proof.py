"""What was seen of a proxy in a TLS handshake, and what is lacking of what it must show. Pure: time is an argument.

A chain is judged as a peer would: link by link from the leaf to a root, whatever stands beside the way.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from weft.ca import certificate
from weft.ca.succession import Demand

_LONGEST_PATH = 5


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a node's agent saw of one of its proxies (or, with an empty `proxy`, says of itself). `chain` is DER as it was
    served, leaf first; `accepts` and `refuses` are SHA-256 of roots whose clients it let in and turned away; `held` and `leaf`
    are SHA-256 of the issuer and the leaf that the agent holds; `problem` is why no chain came."""

    proxy: str
    look: int
    chain: tuple[bytes, ...] = ()
    accepts: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    held: str = ""
    leaf: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A chain that was served, read: its `leaf`, who issued it, and the root it leads to (None: to none that is known)."""

    leaf: x509.Certificate
    issuer: x509.Certificate | None
    root: x509.Certificate | None


def fingerprint(of: x509.Certificate | bytes) -> str:
    """SHA-256 of a certificate, in hexadecimal digits."""
    der = of if isinstance(of, bytes) else certificate.der(of)
    return hashlib.sha256(der).hexdigest()


def shown(chain: Sequence[bytes], roots: Iterable[x509.Certificate]) -> Shown:
    """A served chain, read with these roots. Raises ValueError for what is no chain."""
    if not chain:
        raise ValueError("no certificate was served")
    leaf, *others = (x509.load_der_x509_certificate(each) for each in chain[:_LONGEST_PATH])
    path = trusted_path(leaf, others, tuple(roots))
    issuer = path[1] if path else next((each for each in others if is_issued(leaf, each)), None)
    return Shown(leaf, issuer, path[-1] if path else None)


def trusted_path(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """The certificates from `leaf` to a root, each issued by the next; roots of the beginning are preferred. Empty: there is
    no way."""
    for root in roots:
        if found := _path(leaf, others, root, _LONGEST_PATH):
            return found
    return ()


def _path(
    of: x509.Certificate, others: Sequence[x509.Certificate], root: x509.Certificate, left: int
) -> tuple[x509.Certificate, ...]:
    if is_issued(of, root):
        return (of, root)
    for position, each in enumerate(others if left else ()):
        if certificate.is_authority(each) and is_issued(of, each):
            rest = (*others[:position], *others[position + 1 :])
            if found := _path(each, rest, root, left - 1):
                return (of, *found)
    return ()


def is_issued(of: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed `of`."""
    try:
        of.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def lacking(sighting: Sighting | None, wanted: Demand, roots: Sequence[x509.Certificate], now: datetime, since: int = 0) -> str:
    """What is not proven of a proxy, in words; empty: all is. A sighting of a look before number `since` proves nothing."""
    if sighting is None or sighting.look < since:
        return "was not looked at yet"
    if sighting.proxy and sighting.problem and (wanted.wire or not sighting.held):
        return f"shows no certificate: {sighting.problem}"
    if wanted.issuer and sighting.held != wanted.issuer:
        return "has no certificate of the new issuer yet"
    if missing := wanted.accepts - sighting.accepts:
        return f"does not trust the root {_short(missing)} yet"
    if wanted.refuses - sighting.refuses:
        return f"still trusts the root {_short(wanted.refuses)}"
    return _served(sighting, wanted, roots, now) if sighting.proxy and wanted.wire else ""


def _served(sighting: Sighting, wanted: Demand, roots: Sequence[x509.Certificate], now: datetime) -> str:
    try:
        found = shown(sighting.chain, [root for root in roots if not wanted.root or fingerprint(root) == wanted.root])
    except ValueError as error:
        return f"serves no chain: {error}"
    if found.root is None:
        return "serves a chain to " + (f"another root than {wanted.root[:12]}" if wanted.root else "no root that is trusted")
    if wanted.issuer and (found.issuer is None or fingerprint(found.issuer) != wanted.issuer):
        return f"serves a certificate of another issuer than {wanted.issuer[:12]}"
    if now >= found.leaf.not_valid_after_utc:
        return f"serves a certificate that expired at {found.leaf.not_valid_after_utc.isoformat()}"
    if sighting.leaf and fingerprint(sighting.chain[0]) != sighting.leaf:
        return "serves another certificate than the one its agent holds"
    return ""


def _short(fingerprints: Iterable[str]) -> str:
    return ", ".join(sorted(each[:12] for each in fingerprints))
