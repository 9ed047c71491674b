"""The least that must be allowed, so that all calls that were seen pass: AuthorizationPolicies, as values for YAML.

One policy for each workload that was called, a rule for the callers that ask the same. Hosts are left out: they say how a caller
spells a service, not what it may do. A gateway's callers are the world: what they may ask its routes say, and it stays open.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from weft.model.labels import Labels
from weft.telemetry.calls import ANY, Operation
from weft.telemetry.recorded import Destination, RecordedCall

API_VERSION = "security.istio.io/v1"
_APP_LABELS = ("app", "app.kubernetes.io/name")

Policy = dict[str, Any]
_Operations = tuple[tuple[tuple[str, ...], tuple[str, ...], int], ...]  # methods, paths, port


def suggested(
    calls: Iterable[RecordedCall], gateways: Iterable[Destination] = (), *, default_deny: bool = False
) -> tuple[tuple[Policy, ...], tuple[str, ...]]:  # fmt: skip
    """The policies, and notes on what could not be said. Calls that were denied are not allowed. `default_deny`: everything else
    in the namespaces is denied, too."""
    workloads: dict[tuple[str, str], list[RecordedCall]] = defaultdict(list)
    for call in calls:
        if not call.edge.denied_by:
            workloads[call.edge.destination.namespace, call.edge.destination.workload].append(call)
    edges = {(one.namespace, one.workload): one for one in gateways}
    policies: list[Policy] = []
    notes: list[str] = []
    for (namespace, workload), found in sorted(workloads.items()):
        selector = _selector([one.edge.destination for one in found])
        notes += _notes(f"{namespace}/{workload}", found, selector)
        policies.append(_policy(namespace, f"calls-to-{workload}", selector, _rules(found)))
    for (namespace, workload), one in sorted(edges.items()):
        policies.append(_policy(namespace, f"calls-to-{workload}", _selector([one]), [{}]))
        notes.append(f"{namespace}/{workload} is a gateway: whoever reaches it may call it; its routes say what")
    if default_deny:
        namespaces = sorted({namespace for namespace, _ in (*workloads, *edges)})
        policies += [_policy(namespace, "default-deny", (), None) for namespace in namespaces]
    return tuple(policies), tuple(notes)


def _policy(namespace: str, name: str, selector: Labels, rules: Sequence[Mapping[str, Any]] | None) -> Policy:
    spec: dict[str, Any] = {"selector": {"matchLabels": dict(selector)}} if selector else {}
    if rules is not None:
        spec |= {"action": "ALLOW", "rules": list(rules)}
    return {
        "apiVersion": API_VERSION,
        "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def _selector(of: Sequence[Destination]) -> Labels:
    """The label that names the workload, else all that its instances have in common."""
    common = set(of[0].labels).intersection(*(one.labels for one in of))
    named = next((pair for name in _APP_LABELS for pair in common if pair == (name, of[0].workload)), None)
    return (named,) if named else tuple(sorted(common))


def _notes(workload: str, found: Sequence[RecordedCall], selector: Labels) -> Iterator[str]:
    if not selector:
        yield f"{workload} has no labels: its policy is for all of its namespace"
    plain = sorted({one.edge.caller.address for one in found if not one.edge.caller.identity})
    if ANY in plain:
        yield f"{workload} is called without mTLS from too many addresses to name: those calls are not allowed here"
    elif plain:
        yield f"{workload} is called without mTLS from {', '.join(plain[:5])}: an address proves little"
    if any(one.operation.method == ANY for one in found):
        yield f"{workload} is called with methods that are none of HTTP's: every method is allowed there"


def _rules(found: Sequence[RecordedCall]) -> list[dict[str, Any]]:
    """A rule for each set of callers that ask the same; who is known by a certificate first."""
    asked: dict[tuple[str, str], list[RecordedCall]] = defaultdict(list)
    for one in found:
        if one.edge.caller.identity:
            asked["principals", _principal(one.edge.caller.identity)].append(one)
        elif one.edge.caller.address != ANY:
            asked["ipBlocks", one.edge.caller.address].append(one)
    alike: dict[tuple[str, _Operations], list[str]] = defaultdict(list)
    for (kind, caller), calls in asked.items():
        alike[kind, _operations(calls)].append(caller)
    ordered = sorted(alike.items(), key=lambda item: (item[0][0] != "principals", sorted(item[1])))
    return [
        {"from": [{"source": {kind: sorted(callers)}}], "to": [{"operation": _operation(*one)} for one in operations]}
        for (kind, operations), callers in ordered
    ]


def _principal(identity: str) -> str:
    return identity.removeprefix("spiffe://")


def _operations(calls: Iterable[RecordedCall]) -> _Operations:
    """What is asked, in few words: paths that are asked with the same methods stand together."""
    methods: dict[tuple[int, str], set[str]] = defaultdict(set)
    for call in calls:
        methods[call.edge.port, _path(call.operation)].add(call.operation.method)
    together: dict[tuple[int, tuple[str, ...]], set[str]] = defaultdict(set)
    for (port, path), names in methods.items():
        together[port, () if names & {ANY, ""} else tuple(sorted(names))].add(path)
    return tuple(
        sorted((names, () if "" in paths else tuple(sorted(paths)), port) for (port, names), paths in together.items())
    )  # fmt: skip


def _path(of: Operation) -> str:
    """A path as a policy writes it; empty for any."""
    if not of.path.startswith("/") or of.path == "/{**}":
        return ""
    return of.path


def _operation(methods: tuple[str, ...], paths: tuple[str, ...], port: int) -> dict[str, Any]:
    said: dict[str, Any] = {"ports": [str(port)]}
    if methods:
        said["methods"] = list(methods)
    if paths:
        said["paths"] = list(paths)
    return said
