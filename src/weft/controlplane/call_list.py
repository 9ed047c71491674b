"""The record of calls as the API shows it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from weft.telemetry.recorded import RecordedCall


def listed(calls: Iterable[RecordedCall]) -> Iterator[dict[str, Any]]:
    """A row for each kind of call, sorted by whom it reached and who made it."""
    return (row(call) for call in sorted(calls, key=_order))


def _order(call: RecordedCall) -> tuple[object, ...]:
    edge, there = call.edge, call.edge.destination
    asked = (call.operation.method, call.operation.host, call.operation.path)
    caller = (edge.caller.identity, edge.caller.address, edge.caller.transport)
    return (there.namespace, there.workload, there.labels, edge.port, caller, asked, edge.denied_by, edge.shadow)


def row(call: RecordedCall) -> dict[str, Any]:
    """One kind of call."""
    edge, there = call.edge, call.edge.destination
    return {
        "source": {"identity": edge.caller.identity, "address": edge.caller.address, "transport": edge.caller.transport},
        "destination": {
            "namespace": there.namespace,
            "workload": there.workload,
            "serviceAccount": there.service_account,
            "labels": dict(there.labels),
            "port": edge.port,
        },
        "method": call.operation.method,
        "host": call.operation.host,
        "path": call.operation.path,
        "deniedBy": edge.denied_by,
        "shadow": edge.shadow,
        "count": call.seen.count,
        "firstSeen": time_text(call.seen.first),
        "lastSeen": time_text(call.seen.last),
    }


def time_text(seconds: float) -> str:
    """A time in Unix seconds, as Kubernetes writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def chosen(calls: Iterable[RecordedCall], asked: Mapping[str, str]) -> Iterator[RecordedCall]:
    """Those that the words of a question ask for: namespace, workload, transport, denied."""
    for call in calls:
        there = call.edge.destination
        said = {"namespace": there.namespace, "workload": there.workload, "transport": call.edge.caller.transport}
        if all(value == said[name] for name, value in asked.items() if name in said):
            yield call
