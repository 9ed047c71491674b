"""The report of a period: what came to the workloads of the mesh, encrypted and not, as a text that is signed."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from weft.controlplane.mtls.ledger import HOUR, Line
from weft.telemetry.calls import MTLS

_COVERS = (
    "Calls and connections that came to workloads of the mesh, by whole hours, as their sidecars saw them. Calls to hosts "
    "outside the mesh, and what reached an application past its sidecar, are not in it. Counts of encrypted calls beyond 500 a "
    "second of one workload are estimates; calls that were not encrypted are counted one by one."
)


def text(lines: Mapping[Line, int], trust_domain: str, first: float, last: float, since: float, now: float) -> str:
    """The report, as JSON. `since` is when the record began: a period before it is not vouched for."""
    said = {
        "statement": "weft.mtls.report/v1",
        "trustDomain": trust_domain,
        "from": time(int(first) // HOUR * HOUR),
        "to": time(min(last, now)),
        "issued": time(now),
        "recordedSince": time(since),
        "covers": _COVERS,
        "complete": since <= int(first) // HOUR * HOUR + HOUR and since <= last,
        "totals": _totals(lines),
        "workloads": _workloads(lines),
    }
    return json.dumps(said, indent=2) + "\n"


def time(seconds: float) -> str:
    """RFC 3339, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _totals(lines: Mapping[Line, int]) -> dict[str, int]:
    found = {"mtls": 0, "tls": 0, "plaintext": 0, "refused": 0}
    for line, count in lines.items():
        found["refused" if line.refused else line.transport] += count
    return found


def _workloads(lines: Mapping[Line, int]) -> list[dict[str, Any]]:
    """By workload and port: the sums, the identities that called, and every caller without one."""
    ports: dict[tuple[str, int], dict[Line, int]] = {}
    for line, count in lines.items():
        ports.setdefault((line.workload, line.port), {})[line] = count
    return [
        {
            "workload": workload,
            "port": port,
            **_totals(found),
            "identities": _identities(found),
            "notEncrypted": _strangers(found),
        }
        for (workload, port), found in sorted(ports.items())
    ]


def _identities(lines: Mapping[Line, int]) -> list[str]:
    return sorted({line.caller for line in lines if line.transport == MTLS})


def _strangers(lines: Mapping[Line, int]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str, bool], tuple[int, int]] = {}
    for line, count in lines.items():
        if line.transport != MTLS:
            key = (line.caller, line.transport, line.refused)
            total, last = found.get(key, (0, 0))
            found[key] = (total + count, max(last, line.hour))
    return [
        {"address": address, "transport": transport, "refused": refused, "count": count, "lastHour": time(hour)}
        for (address, transport, refused), (count, hour) in sorted(found.items())
    ]
