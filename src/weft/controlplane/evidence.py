"""Changes of policies, judged against the calls that are really made.

A write that would deny calls of the record is refused, unless it says that it is meant: `weft apply --allow-breaking`, or the
annotation of the policy that everybody can write, kubectl too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from weft.controlplane.api.admission import Admission
from weft.controlplane.call_list import row, time_text
from weft.controlplane.call_record import CallRecord, destination
from weft.controlplane.reconcile import Reconciler, key_of
from weft.discovery.registry import Registry
from weft.evidence.bypass import Bypass, Watch
from weft.evidence.decision import Decision, Decisions, Outcome, Ports
from weft.evidence.difference import Difference, Effect, differences
from weft.evidence.suggestion import suggested
from weft.evidence.trial import on_trial, tried
from weft.finding import Finding, Severity
from weft.messages import finding
from weft.model.mesh import Mesh
from weft.ref import Ref
from weft.simulate.rbac import NOBODY
from weft.store.store import Key
from weft.telemetry.recorded import Destination, RecordedCall

RESOURCE = "authorizationpolicies.security.istio.io"
ALLOW_BREAKING = "mesh.weft.dev/allow-breaking"
"""The annotation `true` of a policy that may deny calls that are made."""

CODE = "denies-seen-calls"
CODES = {Effect.DENIES: CODE, Effect.MAY_DENY: "may-deny-seen-calls", Effect.ALLOWS: "allows-denied-calls"}
_MOST_CALLERS, _MOST_CALLS = 20, 3
_LATELY = 600.0  # seconds within which a call is looked at that passed and should not have
_RULE = re.compile(r"ns\[([^\]]*)\]-policy\[([^\]]*)\]-rule\[(\d+)\]")
Calls = Iterable[RecordedCall] | None
Objects = Sequence[Mapping[str, Any]]


class Evidence:
    """What the record says of changes."""

    def __init__(self, record: CallRecord, reconciler: Reconciler, registry: Registry) -> None:
        self._record = record
        self._reconciler = reconciler
        self._registry = registry
        self._watch = Watch()

    async def admit(self, changes: Sequence[Admission]) -> tuple[Finding, ...]:
        """A finding for each caller that some change would deny what it calls."""
        policies = [change for change in changes if change.kind.resource == RESOURCE]
        if not policies or not len(self._record):
            return ()
        imagined = self._reconciler.imagined((_key(change), change.new) for change in policies)
        meant = {_ref(change) for change in policies if _is_meant(change)}
        found = self._differences(imagined.before.mesh, imagined.after.mesh)
        return tuple(_findings(found, [_ref(change) for change in policies], meant))

    def tested(self, objects: Objects, replace: bool, within: float | None) -> dict[str, Any]:
        """The calls of the last `within` seconds that would be decided otherwise with the policies among `objects`. `replace`:
        and without all others in their namespaces."""
        written = [(_place(one), one) for one in objects if one.get("kind") == "AuthorizationPolicy"]
        gone = self._others({key for key, _ in written}) if replace else ()
        imagined = self._reconciler.imagined([*written, *((key, None) for key in gone)])
        calls = list(self._record.calls(within))
        found = self._differences(imagined.before.mesh, imagined.after.mesh, calls)
        return {
            "calls": len(calls),
            "policies": len(written),
            "differences": [shown(one) for one in found],
            "findings": [str(one) for one in imagined.findings if one.severity is Severity.ERROR],
        }

    def suggested(self, namespace: str, workload: str, within: float | None, default_deny: bool) -> dict[str, Any]:
        """The policies that let pass what was seen, of one workload, one namespace (no workload), or the mesh (no namespace)."""
        gateways = [destination(proxy.workload) for proxy in self._registry.proxies.values() if proxy.gateway]
        calls = [call for call in self._record.calls(within) if _is_of(call.edge.destination, namespace, workload)]
        edges = [one for one in gateways if _is_of(one, namespace, workload)]
        policies, notes = suggested(calls, edges, default_deny=default_deny)
        return {"calls": len(calls), "items": policies, "notes": notes}

    def shadows(self, namespace: str, workload: str, within: float | None) -> dict[str, Any]:
        """What policies on trial would have denied, and which are on trial."""
        mesh = self._reconciler.translation.mesh
        calls = [call for call in self._record.calls(within) if _is_of(call.edge.destination, namespace, workload)]
        rows = [
            {
                "rule": rule_words(Decision(Outcome.DENIED, one.rule, one.policies)),
                "inForce": one.in_force.value,
                "call": row(one.call),
            }
            for one in tried(mesh, self._numbers(), calls)
        ]
        return {"onTrial": sorted(f"{one.namespace}/{one.name}" for one in on_trial(mesh)), "calls": len(calls), "items": rows}

    def bypasses(self) -> tuple[Bypass, ...]:
        """What passed lately and should not have."""
        decisions = self.decisions(self._reconciler.translation.mesh)
        return self._watch.bypasses(decisions, self._record.calls(_LATELY), self._record.now())

    def _others(self, written: set[Key]) -> Iterator[Key]:
        namespaces = {key.namespace for key in written}
        for resource in self._reconciler.resources:
            key = key_of(resource.ref)
            if key.resource == RESOURCE and key.namespace in namespaces and key not in written:
                yield key

    def _differences(self, before: Mesh, after: Mesh, calls: Calls = None) -> tuple[Difference, ...]:
        recorded = self._record.calls() if calls is None else calls
        return differences(self.decisions(before), self.decisions(after), recorded)

    def _ports(self) -> dict[tuple[Destination, int], tuple[int, ...]]:
        """By which numbers a policy may name the ports of workloads that are registered."""
        found: dict[tuple[Destination, int], tuple[int, ...]] = {}
        for proxy in self._registry.proxies.values():
            there = destination(proxy.workload)
            for port in proxy.inbound:
                found[there, port.number] = (port.number, port.application.port)
        return found

    def decisions(self, mesh: Mesh) -> Decisions:
        """What a mesh decides of recorded calls."""
        return Decisions(mesh, self._numbers())

    def _numbers(self) -> Ports:
        ports = self._ports()
        return lambda there, port: ports.get((there, port), (port,))


def _is_of(one: Destination, namespace: str, workload: str) -> bool:
    return namespace in ("", one.namespace) and workload in ("", one.workload)


def shown(of: Difference) -> dict[str, Any]:
    """A difference as the API shows it."""
    return {"effect": of.effect.value, "rule": rule_words(of.decision), "call": row(of.call)}


def rule_words(of: Decision) -> str:
    """Which rule decides, for people: `default/deny-all rule 0`, or whose rules do not allow it."""
    if of.rule == NOBODY:
        return f"no rule of {', '.join(of.policies)} allows it"
    return ruled(of.rule)


def ruled(rule: str) -> str:
    """A rule's name in Envoy's words, for people."""
    found = _RULE.fullmatch(rule)
    return f"{found[1]}/{found[2]} rule {found[3]}" if found else rule


# Findings


def _findings(found: Iterable[Difference], written: Sequence[Ref], meant: set[Ref]) -> Iterator[Finding]:
    told: dict[tuple[str, Ref, str], list[Difference]] = {}
    for one in found:
        code = CODES[one.effect]
        told.setdefault((code, _guilty(one.decision, written), _caller(one.call) if code == CODE else ""), []).append(one)
    for number, ((code, ref, caller), several) in enumerate(sorted(told.items(), key=lambda item: item[0])):
        if number == _MOST_CALLERS:
            yield _made(CODE, ref, f"and those of {len(told) - number} more callers", meant)
            return
        yield _made(code, ref, f"{caller or 'some callers'} {_calls(several)}", meant)


def _made(code: str, ref: Ref, calls: str, meant: set[Ref]) -> Finding:
    made = finding(code, ref, calls=calls)
    return Finding(code, Severity.WARNING, ref, made.message, "") if ref in meant else made


def _guilty(of: Decision, written: Sequence[Ref]) -> Ref:
    """Which of the written policies it is."""
    names = [f"{match[1]}/{match[2]}"] if (match := _RULE.fullmatch(of.rule)) else list(of.policies)
    return next((ref for ref in written if f"{ref.namespace}/{ref.name}" in names), written[0])


def _caller(call: RecordedCall) -> str:
    caller = call.edge.caller
    return caller.identity or f"{caller.address} ({caller.transport})"


def _calls(several: Sequence[Difference]) -> str:
    ordered = sorted(several, key=lambda one: (-one.call.seen.count, one.call.operation.path, one.call.operation.method))
    words = [_asked(one) for one in ordered[:_MOST_CALLS]]
    more = f", and {len(ordered) - _MOST_CALLS} more kinds of calls" if len(ordered) > _MOST_CALLS else ""
    return "; ".join(words) + more


def _asked(of: Difference) -> str:
    call = of.call
    there = call.edge.destination
    asked = "connects" if call.is_tcp else f"{call.operation.method} {call.operation.path}"
    seen = f"{call.seen.count} times, last {time_text(call.seen.last)}"
    return f"to {there.namespace}/{there.workload}:{call.edge.port} {asked} ({seen}; {rule_words(of.decision)})"


def _is_meant(change: Admission) -> bool:
    body = change.new if change.new is not None else change.old or {}
    annotations = body.get("metadata", {}).get("annotations") or {}
    return str(annotations.get(ALLOW_BREAKING, "")).lower() == "true"


def _ref(change: Admission) -> Ref:
    key = _key(change)
    return Ref(change.kind.group, change.kind.kind, key.namespace, key.name)


def _key(change: Admission) -> Key:
    return _place(change.new if change.new is not None else change.old or {})


def _place(body: Mapping[str, Any]) -> Key:
    meta = body.get("metadata") or {}
    return Key(RESOURCE, str(meta.get("namespace") or "default"), str(meta.get("name") or ""))
