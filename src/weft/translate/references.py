"""What only shows when resources are seen together: names of what is not there, and several that say the same thing.

`findings` looks at one statement in a mesh. Which statements are looked at again after a change is `mesh.py`'s matter: it
follows the hosts and gateways that they name.
"""

from collections.abc import Iterable, Iterator, Mapping

from weft.finding import Finding
from weft.hostname import candidates
from weft.messages import finding
from weft.model.authorization import Action, AuthorizationPolicy
from weft.model.defaults import TrafficDefaults
from weft.model.gateway import Gateway
from weft.model.labels import Labels
from weft.model.mesh import Mesh
from weft.model.mesh_config import MeshConfig
from weft.model.precedence import MESH, mesh_config, nearness, patterns, service
from weft.model.route import RouteSet
from weft.model.security import PeerAuthentication
from weft.model.service import Service
from weft.model.sidecar import Sidecar
from weft.model.traffic import ServicePolicy, TrafficPolicy
from weft.ref import Ref
from weft.translate.gateway_api.written import GROUP
from weft.translate.gateway_conflicts import conflicts
from weft.translate.precedence import age, together
from weft.translate.statement import Reference, Statement
from weft.translate.subset_hint import missing_subsets_hint
from weft.translate.tls_modes import mismatches

Rules = Mapping[str, tuple[ServicePolicy, ...]]


def findings(statement: Statement, mesh: Mesh, rules: Rules) -> tuple[Finding, ...]:
    """All that is wrong with `statement` in `mesh`. `rules` are the DestinationRules of each host before they are merged."""
    found = [*statement.findings, *_of_references(statement, mesh), *_of_gateways(statement, mesh)]
    if statement.routes:
        found += _of_routes(statement.routes, mesh)
    if statement.policy:
        found += _of_rule(statement.policy, rules.get(statement.policy.host, ()))
        found += mismatches(statement.policy, mesh)
    if statement.gateway:
        found += conflicts(statement.gateway, mesh.gateways)
    if said_here := statement.sidecar:
        found += _of_sidecar(said_here, mesh.sidecars.get(said_here.namespace, ()))
    if said := statement.peer_authentication:
        found += _of_peer_authentication(said, mesh.peer_authentications.get(said.namespace, ()), mesh.settings.root_namespace)
    if config := statement.mesh_config:
        found += _of_mesh_config(config, mesh)
    if isinstance(statement.guarding, AuthorizationPolicy):
        found += _of_authorization(statement.guarding, mesh)
    if statement.defaults:
        found += _of_defaults(statement.defaults, mesh)
    return tuple(found)


def _of_references(statement: Statement, mesh: Mesh) -> Iterator[Finding]:
    namespace = statement.ref.namespace
    subsets: dict[str, list[Reference]] = {}
    for reference in statement.references:
        known = service(mesh, reference.host, namespace)
        if known is None:
            yield _unknown_host(reference, mesh, namespace)
            continue
        yield from _of_port(reference, known)
        if reference.subset and not _has_subset(mesh, reference, known, namespace):
            subsets.setdefault(reference.host, []).append(reference)
    for missing in subsets.values():
        yield from _unknown_subsets(missing, mesh, namespace)


def _unknown_host(reference: Reference, mesh: Mesh, namespace: str) -> Finding:
    host, at = reference.host, _host_field(reference)
    hidden = next((one for key in patterns(host) for one in mesh.services.get(key, ())), None)
    if hidden:
        hint = f"{hidden.origin} decides with exportTo who sees it"
        return finding("host-not-exported", at, host=host, namespace=namespace, hint=hint)
    meant = [one for one in candidates(host, namespace, mesh.settings.domain) if one in mesh.services]
    meant += [one for one in mesh.nearest(host) if one not in meant]
    own = reference.origin.kind == "DestinationRule" and reference.origin.field == "spec.host"
    code = "rule-without-service" if own else "unknown-host"
    return finding(code, at, host=host, hint=f"did you mean {' or '.join(meant[:3])}?" if meant else "")


def _host_field(reference: Reference) -> Ref:
    """A destination of a route has the host in a field of its own."""
    match reference.origin.kind:
        case "VirtualService":
            return reference.origin.at("host")
        case "HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute" | "UDPRoute":
            return reference.origin.at("name")
        case _:
            return reference.origin


def _of_port(reference: Reference, known: Service) -> Iterator[Finding]:
    ports = ", ".join(f"{port.number} ({port.name})" if port.name else str(port.number) for port in known.ports)
    if reference.port and known.ports and known.port(reference.port) is None:
        at = reference.origin.at("port" if reference.origin.group == GROUP else "port.number")
        yield finding("unknown-port", at, host=reference.host, port=reference.port, ports=ports)
    if not reference.port and not reference.any_port and len(known.ports) > 1:
        yield finding("port-not-named", reference.origin, host=reference.host, ports=ports)


def _has_subset(mesh: Mesh, reference: Reference, known: Service, namespace: str) -> bool:
    """Whether a DestinationRule that may apply (the caller's namespace, the service's, the root) defines the subset."""
    owners = (namespace, known.namespace, mesh.settings.root_namespace)
    return any(
        subset.name == reference.subset
        for key in patterns(reference.host)
        for rule in mesh.policies.get(key, ())
        if rule.namespace in owners
        for subset in rule.subsets
    )


def _unknown_subsets(missing: list[Reference], mesh: Mesh, namespace: str) -> Iterator[Finding]:
    """One finding each; the first carries the DestinationRule for all of them."""
    hint = missing_subsets_hint(mesh, missing, namespace)
    for reference in missing:
        at = reference.origin.at("subset")
        yield finding("unknown-subset", at, host=reference.host, subset=reference.subset, hint=hint)
        hint = ""


def _of_gateways(statement: Statement, mesh: Mesh) -> Iterator[Finding]:
    for gateway, at in statement.gateways:
        if gateway not in mesh.gateways:
            yield finding("unknown-gateway", at, gateway=gateway, hint=_gateways_hint(gateway, mesh.gateways))


def _gateways_hint(gateway: str, known: Mapping[str, Gateway]) -> str:
    name = gateway.rpartition("/")[2]
    elsewhere = sorted(one for one in known if one.rpartition("/")[2] == name) or sorted(known)
    return f"did you mean {' or '.join(elsewhere[:3])}?" if elsewhere else "no Gateway exists yet"


# Several that say the same thing


def _of_routes(routes: RouteSet, mesh: Mesh) -> Iterator[Finding]:
    if MESH not in routes.gateways:
        return
    for i, host in enumerate(routes.hosts):
        others = [one for one in mesh.routes.get(host, ()) if MESH in one.gateways and one.origin != routes.origin]
        winner = next((one for one in others if _before(one, routes) and _meet(one.export_to, routes.export_to)), None)
        if winner:
            at = routes.origin.at(f"spec.hosts[{i}]")
            hint = f"write the rules for {host} in one VirtualService: in the mesh they are not merged"
            yield finding("conflict", at, what=f"two VirtualServices are for {host}", other=winner.origin, hint=hint)


def _before(one: RouteSet, other: RouteSet) -> bool:
    """Whether `one` takes the place of `other` by its age alone. One private to a namespace is meant to come first there."""
    alike = nearness(one.export_to, one.namespace) == nearness(other.export_to, other.namespace)
    return alike and age(one) < age(other)


def _meet(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether somebody sees both."""
    first, second = set(one), set(other)
    return bool(first & second) or ("*" in first and bool(second)) or ("*" in second and bool(first))


def _of_rule(rule: ServicePolicy, all_of_host: tuple[ServicePolicy, ...]) -> Iterator[Finding]:
    older = [one for one in all_of_host if together(one, rule) and age(one) < age(rule)]
    winner = next((one for one in older if one.policy != TrafficPolicy()), None)
    if winner and rule.policy != TrafficPolicy():
        hint = "the subsets of both hold; of two trafficPolicy only one does"
        at = rule.origin.at("spec.trafficPolicy")
        yield finding("conflict", at, what=f"two DestinationRules are for {rule.host}", other=winner.origin, hint=hint)
    taken = {subset.name: one for one in reversed(older) for subset in one.subsets}
    for i, subset in enumerate(rule.subsets):
        if subset.name in taken:
            at, other = rule.origin.at(f"spec.subsets[{i}]"), taken[subset.name].origin
            yield finding("conflict", at, what=f"the subset {subset.name} is defined twice", other=other, hint="")


def _of_peer_authentication(
    said: PeerAuthentication, all_of_namespace: tuple[PeerAuthentication, ...], root: str
) -> Iterator[Finding]:
    if said.selector and said.namespace == root:
        why = f"in the root namespace, {root}, only a PeerAuthentication without one counts"
        hint = "write it in the namespace of the workloads that it is for"
        yield finding("no-effect", said.origin.at("spec.selector"), name="the selector", why=why, hint=hint)
        return
    winner = next((one for one in all_of_namespace if one.selector == said.selector), said)
    if winner.origin != said.origin:
        what = f"two PeerAuthentications are for {_whom(said.selector, said.namespace)}"
        yield finding("conflict", said.origin, what=what, other=winner.origin, hint="")


def _of_defaults(said: TrafficDefaults, mesh: Mesh) -> Iterator[Finding]:
    winner = next(iter(mesh.defaults.get(said.namespace, ())), said)
    if winner.origin != said.origin:
        what = f"two TrafficDefaults are for namespace {said.namespace}"
        yield finding("conflict", said.origin, what=what, other=winner.origin, hint="write them in one: they are not merged")


def _of_mesh_config(said: MeshConfig, mesh: Mesh) -> Iterator[Finding]:
    """Only the oldest of the root namespace holds; a server must be one that can be asked."""
    if said.namespace != mesh.settings.root_namespace:
        why = f"settings of the mesh are those of namespace {mesh.settings.root_namespace}"
        yield finding("no-effect", said.origin, name="this MeshConfig", why=why, hint="")
        return
    winner = mesh_config(mesh) or said
    if winner.origin != said.origin:
        yield finding("conflict", said.origin, what="two MeshConfigs are for the mesh", other=winner.origin, hint="")


def _of_authorization(said: AuthorizationPolicy, mesh: Mesh) -> Iterator[Finding]:
    if said.action is not Action.CUSTOM:
        return
    config = mesh_config(mesh)
    known = [one.name for one in config.authorizers] if config else []
    if said.provider not in known:
        root = mesh.settings.root_namespace
        told = f"are {', '.join(known)}" if known else "declare some"
        hint = f"extensionProviders of a MeshConfig in namespace {root} {told}"
        yield finding("unknown-authorizer", said.origin.at("spec.provider.name"), name=said.provider, hint=hint)


def _of_sidecar(said: Sidecar, all_of_namespace: tuple[Sidecar, ...]) -> Iterator[Finding]:
    winner = next((one for one in all_of_namespace if one.selector == said.selector), said)
    if winner.origin != said.origin:
        what = f"two Sidecars are for {_whom(said.selector, said.namespace)}"
        yield finding("conflict", said.origin, what=what, other=winner.origin, hint="")


def _whom(selector: Labels, namespace: str) -> str:
    if not selector:
        return f"namespace {namespace}"
    return "the workloads with " + ", ".join(f"{key}={value}" for key, value in selector)
