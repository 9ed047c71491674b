"""The virtual addresses of a ServiceEntry that says none: which of its hosts get one, from which range, and which they have.

The control plane keeps them in `status.addresses`, from where they are read like addresses that somebody wrote.
https://istio.io/latest/docs/ops/configuration/traffic-management/dns-proxy/#address-auto-allocation
"""

from collections.abc import Mapping
from ipaddress import ip_address

from weft.hostname import is_wildcard
from weft.model.virtual_address import HTTP, OPAQUE, Range
from weft.protocol import protocol
from weft.resource.istio.service_entry import ServiceEntry
from weft.resource.names import is_ip
from weft.resource.resource import Resource

ENABLE = "networking.istio.io/enable-autoallocate-ip"
"""The label that turns it off with `"false"`."""


def wanting(entry: Resource, spec: ServiceEntry) -> tuple[str, ...]:
    """The hosts that get virtual addresses. One with resolution NONE goes to the address that was called, which a virtual one
    is not."""
    off = entry.meta.labels.get(ENABLE, "").lower() == "false"
    if off or spec.addresses or spec.resolution == "NONE":
        return ()
    hosts = dict.fromkeys(host.lower().rstrip(".") for host in spec.hosts)
    return tuple(host for host in hosts if not is_wildcard(host) and not is_ip(host))


def range_of(spec: ServiceEntry) -> Range:
    """HTTP where all ports speak it; where one does not, nothing can be read from the address alone."""
    spoken = [protocol(port.protocol or port.name) for port in spec.ports]
    return HTTP if spoken and all(one.is_http for one in spoken) else OPAQUE


def held(entry: Resource, spec: ServiceEntry) -> Mapping[str, tuple[str, ...]]:
    """What stands in the status for the hosts that get some; what is of no range, or of the wrong one, does not count."""
    where, said = range_of(spec), entry.status.get("addresses")
    found: dict[str, tuple[str, ...]] = dict.fromkeys(wanting(entry, spec), ())
    for one in said if isinstance(said, list | tuple) else ():
        if isinstance(one, Mapping) and one.get("host") in found and isinstance(one.get("value"), str) and one["value"] in where:
            found[one["host"]] += (str(ip_address(one["value"])),)
    return {host: addresses for host, addresses in found.items() if addresses}
