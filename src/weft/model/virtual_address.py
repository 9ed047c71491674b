"""The virtual addresses that services get which have none of their own: two ranges, so that an address alone says whether HTTP
is spoken behind it or bytes are to be passed, and no protocol is guessed.

Of a range the first and the last address are nobody's. IPv4 and IPv6 addresses of one host have one number.
"""

import hashlib
from collections.abc import Container
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

_SLOTS = 65_534


@dataclass(frozen=True, slots=True)
class Range:
    """Where addresses are taken from."""

    v4: IPv4Network
    v6: IPv6Network

    def addresses(self, slot: int) -> tuple[str, str]:
        """Those with a number from 1 to 65,534."""
        return str(self.v4[slot]), str(self.v6[slot])

    def __contains__(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return found in self.v4 or found in self.v6


HTTP = Range(IPv4Network("240.240.0.0/16"), IPv6Network("2001:2:0:f0f0::/64"))
OPAQUE = Range(IPv4Network("240.241.0.0/16"), IPv6Network("2001:2:0:f0f1::/64"))
"""Reserved (240.0.0.0/4) and for benchmarks (2001:2::/48): nothing else is routed to them."""


def free(of: Range, name: str, taken: Container[str]) -> tuple[str, str] | None:
    """The addresses that `name` has of a range in which some are taken: the same ones whenever they are free; None: all are."""
    first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    for step in range(_SLOTS):
        found = of.addresses((first + step) % _SLOTS + 1)
        if not any(address in taken for address in found):
            return found
    return None
