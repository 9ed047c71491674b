"""Authorities for tests."""

from datetime import UTC, datetime

from weft.ca.authority import Authority, new_intermediate, new_root
from weft.ca.certificate import Issuer
from weft.ca.csr import new_key

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def authority(trust_domain: str = "cluster.local", now: datetime = NOW) -> Authority:
    """A new authority."""
    key = new_key()
    root = new_root(trust_domain, key, now)
    return Authority(trust_domain, new_intermediate(trust_domain, Issuer(key, root), now), (root,))
