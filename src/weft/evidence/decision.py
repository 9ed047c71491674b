"""What the authorization policies of a mesh decide of a recorded call: let pass, denied (and by which rule), or not known."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from envoy.config.rbac.v3.rbac_pb2 import RBAC

from weft.compile.authorization import rbac
from weft.compile.scope.guard import guard
from weft.compile.scope.screening_inputs import Guard
from weft.evidence import rules
from weft.evidence.rules import Asked
from weft.model import authorization as model
from weft.model.authorization import Action, AuthorizationPolicy
from weft.model.mesh import Mesh
from weft.model.workload import Workload
from weft.simulate.rbac import NOBODY, fitting
from weft.telemetry.calls import Operation
from weft.telemetry.recorded import Destination, RecordedCall

_DECIDING = (Action.DENY, Action.ALLOW)


class Outcome(Enum):
    """UNKNOWN: it depends on what is not recorded."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Decision:
    """`rule` is the rule that denies, or may (`none`: no rule allows it), in Istio's form; `policies` (namespace/name) are those
    that had to allow it and do not."""

    outcome: Outcome
    rule: str = ""
    policies: tuple[str, ...] = ()


ALLOWED = Decision(Outcome.ALLOWED)

Ports = Callable[[Destination, int], tuple[int, ...]]
"""The numbers by which policies may name a port of a workload: the service's, and its application's."""


def declared(_: Destination, port: int) -> tuple[int, ...]:
    """Where nothing is known of the application's port."""
    return (port,)


class Decisions:
    """What one mesh decides. It remembers the rules of each port, so that many calls cost little."""

    def __init__(self, mesh: Mesh, ports: Ports = declared) -> None:
        self._mesh = mesh
        self._ports = ports
        self._guards: dict[tuple[Destination, int, bool], _Rules] = {}

    def of(self, call: RecordedCall) -> Decision:
        """The decision about a call."""
        return self._rules(call).decision(call)

    def guard(self, call: RecordedCall) -> Guard:
        """The policies that stand before it: equal guards decide alike."""
        return self._rules(call).guard

    def _rules(self, call: RecordedCall) -> "_Rules":
        there, port = call.edge.destination, call.edge.port
        key = (there, port, not call.is_tcp)
        if key not in self._guards:
            workload = Workload(there.namespace, there.workload, there.service_account, there.labels)
            self._guards[key] = _Rules(guard(self._mesh, workload, self._ports(there, port), is_http=not call.is_tcp))
        return self._guards[key]


class _Rules:
    """A port's rules as Envoy gets them."""

    def __init__(self, of: Guard) -> None:
        self.guard = of
        self._by_action: Mapping[Action, RBAC | None] = {action: rbac(of, action) for action in _DECIDING}
        self._named = tuple(dict.fromkeys(_paths_named(of.policies)))
        self._allowing = tuple(f"{one.namespace}/{one.name}" for one in of.policies if _may_allow(one))
        asking = (rbac(of, Action.CUSTOM, provider=one.authorizer.name) for one in of.asked)
        self._asking = tuple(one for one in asking if one is not None)
        self._paths: dict[str, tuple[str, ...]] = {}

    def decision(self, call: RecordedCall) -> Decision:
        """DENY before ALLOW. Where an authorizer outside the mesh is asked, nobody knows here what it says."""
        if not self.guard.policies:
            return ALLOWED
        asked = Asked(call.edge.caller, call.operation, self._of_path(call.operation))
        denying, allowing = self._by_action[Action.DENY], self._by_action[Action.ALLOW]
        denied, rule = fitting(denying, asked) if denying is not None else (False, "")
        if denied:
            return Decision(Outcome.DENIED, rule)
        allowed = fitting(allowing, asked)[0] if allowing is not None else True
        if allowed is False:
            return Decision(Outcome.DENIED, NOBODY, self._allowing)
        if denied is None:
            return Decision(Outcome.UNKNOWN, rule)
        if allowed is None:
            return Decision(Outcome.UNKNOWN, NOBODY, self._allowing)
        asking = next((name for each in self._asking if (name := fitting(each, asked)[1])), "")
        return Decision(Outcome.UNKNOWN, asking) if asking else ALLOWED

    def _of_path(self, of: Operation) -> tuple[str, ...]:
        if of.path not in self._paths:
            self._paths[of.path] = rules.paths(of.path, self._named)
        return self._paths[of.path]


def _may_allow(of: AuthorizationPolicy) -> bool:
    return of.action is Action.ALLOW and not of.dry_run


def _paths_named(policies: Iterable[AuthorizationPolicy]) -> Iterable[str]:
    for one in policies:
        for rule in one.rules:
            for condition in (each for all_of in (*rule.operations, rule.when) for each in all_of):
                if condition.attribute == model.PATH:
                    yield from (*condition.values, *condition.not_values)
