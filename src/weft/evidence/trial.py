"""What policies on trial (dry run) would have denied, as the proxies said of real traffic."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from weft.evidence.decision import Decisions, Outcome, Ports
from weft.model.authorization import Action, AuthorizationPolicy
from weft.model.mesh import Mesh
from weft.simulate.rbac import NOBODY
from weft.telemetry.recorded import RecordedCall


@dataclass(frozen=True, slots=True)
class Tried:
    """A call, the rule on trial that would have denied it (`none`: no rule of `policies` would have allowed it), and what would
    become of it if everything on trial were in force: another policy may allow it."""

    call: RecordedCall
    rule: str
    policies: tuple[str, ...]
    in_force: Outcome


def on_trial(mesh: Mesh) -> Iterator[AuthorizationPolicy]:
    """All policies on trial."""
    for guards in mesh.guards.values():
        for one in guards:
            if isinstance(one, AuthorizationPolicy) and one.dry_run:
                yield one


def enforced(mesh: Mesh) -> Mesh:
    """The mesh with all that is on trial in force."""
    guards = {
        namespace: tuple(replace(one, dry_run=False) if isinstance(one, AuthorizationPolicy) else one for one in guarding)
        for namespace, guarding in mesh.guards.items()
    }
    return replace(mesh, guards=guards)


def tried(mesh: Mesh, ports: Ports, calls: Iterable[RecordedCall]) -> Iterator[Tried]:
    """What the proxies said of those calls, where the policy that it was about is still on trial."""
    now, then = Decisions(mesh, ports), Decisions(enforced(mesh), ports)
    for call in calls:
        if not call.edge.shadow:
            continue
        guarding = [one for one in now.guard(call).policies if one.dry_run]
        if call.edge.shadow == NOBODY:
            names = tuple(f"{one.namespace}/{one.name}" for one in guarding if one.action is Action.ALLOW)
        else:
            names = tuple(
                f"{one.namespace}/{one.name}"
                for one in guarding
                if call.edge.shadow.startswith(f"ns[{one.namespace}]-policy[{one.name}]-")
            )
        if names:
            yield Tried(call, call.edge.shadow, names, then.of(call).outcome)
