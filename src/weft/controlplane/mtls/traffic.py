"""What every port takes, beside what came to it: the rows of `weft mtls status`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from weft.controlplane.mtls.port_modes import PortMode
from weft.rollout.tighten import Sighting


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Calls that came to a port of a workload (`namespace/app`) with the mesh's mTLS."""

    workload: str
    port: int
    count: int


def rows(ports: Iterable[PortMode], encrypted: Iterable[Encrypted], plaintext: Iterable[Sighting]) -> Iterator[Mapping[str, Any]]:
    """A row for each port of a workload and each mode that its instances have there."""
    grouped: dict[tuple[str, int, str, str], int] = {}
    for one in ports:
        key = (one.workload, one.port, one.by.mode.name, str(one.by.origin or ""))
        grouped[key] = grouped.get(key, 0) + 1
    met: dict[tuple[str, int], int] = {}
    for each in encrypted:
        met[each.workload, each.port] = met.get((each.workload, each.port), 0) + each.count
    strangers: dict[tuple[str, int], list[Sighting]] = {}
    for sighting in plaintext:
        strangers.setdefault((sighting.workload, sighting.port), []).append(sighting)
    for (workload, port, mode, by), instances in sorted(grouped.items()):
        seen = sorted(strangers.get((workload, port), ()), key=lambda one: (-one.last, one.address))
        yield {
            "workload": workload,
            "port": port,
            "mode": mode,
            "by": by,
            "instances": instances,
            "mtls": met.get((workload, port), 0),
            "plaintext": sum(one.count for one in seen if not one.refused),
            "refused": sum(one.count for one in seen if one.refused),
            "callers": [_caller(one) for one in seen],
        }


def _caller(of: Sighting) -> Mapping[str, Any]:
    return {"address": of.address, "count": of.count, "last": of.last, "refused": of.refused}
