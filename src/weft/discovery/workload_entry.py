"""A registered workload as a WorkloadEntry, as it stands in the store
(https://istio.io/latest/docs/reference/config/networking/workload-entry/).

The labels that say who registered it and that a sidecar is there stand in `metadata` (for `kubectl -l`) and in `spec`
(where Istio reads them). Health is a condition of its `status`.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from weft.model.endpoint import Health
from weft.model.workload import Proxy
from weft.store.store import Key

RESOURCE = "workloadentries.networking.istio.io"
NODE_LABEL = "mesh.weft.dev/node"
TLS_MODE_LABEL = "security.istio.io/tlsMode"
PORTS = "mesh.weft.dev/ports"
"""The annotation with the numbers that operators know a port by, as JSON: `{"http": [9080, 8000]}`, the declared one first."""

GROUP = "istio.io/autoRegistrationGroup"
"""The annotation with the WorkloadGroup that it is of, which says what it does not say itself."""

Body = Mapping[str, Any]

ASKED = "mesh.weft.dev/asked-protocols"
"""The annotation with what the application answered that was asked what it speaks, as JSON by port name: `{"web": "http"}`."""

_IDS = uuid.UUID("6d1f2f57-6a53-4a4b-8d4d-2a8f1f6f0a11")


def key(workload: str) -> Key:
    """Where the entry of the workload `namespace/name` stands."""
    namespace, _, name = workload.partition("/")
    return Key(RESOURCE, namespace, name)


def workload_entry(proxy: Proxy, node: str, now: str, old: Body | None = None) -> Body:
    """The entry of a workload that `node` registered. `now` is RFC 3339; `old` the entry it replaces, whose age, identity
    and unchanged conditions stay."""
    labels = _labels(proxy, node)
    metadata = _metadata(proxy, labels, node, now, (old or {}).get("metadata", {}))
    spec = _spec(proxy, labels)
    if old is not None and old.get("spec") != spec:
        metadata["generation"] += 1
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "WorkloadEntry",
        "metadata": metadata,
        "spec": spec,
        "status": {"conditions": _conditions(proxy.workload.health, now, _old_conditions(old))},
    }


def is_same(one: Body, other: Body) -> bool:
    """Whether two entries say the same, whenever they were written."""
    return _content(one) == _content(other)


def node_of(entry: Body) -> str:
    """The node that registered an entry; empty for one that an operator wrote."""
    return str((entry.get("metadata", {}).get("labels") or {}).get(NODE_LABEL, ""))


def _labels(proxy: Proxy, node: str) -> dict[str, str]:
    mode = "disabled" if proxy.gateway else "istio"
    return {**dict(proxy.workload.labels), NODE_LABEL: node, TLS_MODE_LABEL: mode}


def _metadata(proxy: Proxy, labels: Mapping[str, str], node: str, now: str, old: Body) -> dict[str, Any]:
    workload = proxy.workload
    return {
        "creationTimestamp": now,
        "uid": str(uuid.uuid5(_IDS, f"{workload.key} {node} {now}")),
        "generation": 1,
        **{name: value for name, value in old.items() if name not in ("resourceVersion", "annotations")},
        "name": workload.name,
        "namespace": workload.namespace,
        "labels": labels,
        **_annotations(proxy, old.get("annotations") or {}),
    }


def _annotations(proxy: Proxy, old: Body) -> dict[str, Any]:
    """In `spec.ports` stands where the sidecar listens, which no Service and no policy names."""
    kept = {name: value for name, value in old.items() if name not in (PORTS, ASKED, GROUP)}
    if proxy.workload.group:
        kept[GROUP] = proxy.workload.group
    if proxy.inbound:
        numbers = {port.name: list(dict.fromkeys((port.number, port.application.port))) for port in proxy.inbound}
        kept[PORTS] = json.dumps(numbers, separators=(",", ":"))
    if asked := {port.name: port.protocol for port in proxy.inbound if port.asked}:
        kept[ASKED] = json.dumps(asked, separators=(",", ":"))
    return {"annotations": kept} if kept else {}


def _spec(proxy: Proxy, labels: Mapping[str, str]) -> dict[str, Any]:
    workload = proxy.workload
    spec: dict[str, Any] = {
        "address": proxy.inbound[0].listen.host if proxy.inbound else proxy.gateway_host,
        "labels": labels,
        "serviceAccount": workload.service_account,
    }
    if proxy.inbound:
        spec["ports"] = {port.name: port.listen.port for port in proxy.inbound}
    if str(workload.locality):
        spec["locality"] = str(workload.locality)
    if workload.network:
        spec["network"] = workload.network
    if workload.weight != 1:
        spec["weight"] = workload.weight
    return spec


def _conditions(health: Health, now: str, old: Mapping[str, Body]) -> list[Body]:
    unhealthy = health is Health.UNHEALTHY
    told = [_condition("Healthy", "False" if unhealthy else "True", "HealthCheckFailed" if unhealthy else "HealthCheckPassed")]
    if health is Health.DRAINING:
        told.append(_condition("Draining", "True", "Stopping"))
    return [_dated(condition, now, old) for condition in told]


def _condition(kind: str, status: str, reason: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason}


def _dated(condition: dict[str, str], now: str, old: Mapping[str, Body]) -> Body:
    before = old.get(condition["type"], {})
    same = before.get("status") == condition["status"]
    return {**condition, "lastTransitionTime": before.get("lastTransitionTime", now) if same else now}


def _old_conditions(entry: Body | None) -> Mapping[str, Body]:
    conditions = ((entry or {}).get("status") or {}).get("conditions") or ()
    return {str(condition.get("type")): condition for condition in conditions}


def _content(entry: Body) -> tuple[object, ...]:
    conditions = {kind: condition.get("status") for kind, condition in _old_conditions(entry).items()}
    metadata = entry.get("metadata", {})
    annotations = metadata.get("annotations") or {}
    said = tuple(annotations.get(name) for name in (PORTS, ASKED, GROUP))
    return metadata.get("labels"), said, entry.get("spec"), conditions
