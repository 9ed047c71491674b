"""DestinationRules whose TLS mode is not what the workloads they lead to accept: such calls fail, every one.

Without a written mode each endpoint is called as its PeerAuthentication says, and nothing can go wrong.
"""

from collections.abc import Iterable, Iterator, Mapping

from weft.finding import Finding
from weft.hostname import is_wildcard, matches
from weft.messages import finding
from weft.model import precedence
from weft.model.labels import selects
from weft.model.mesh import Mesh
from weft.model.mtls import Decision, at_endpoint
from weft.model.security import MtlsMode
from weft.model.service import Service, ServicePort
from weft.model.traffic import PortPolicy, ServicePolicy, Subset, TlsMode
from weft.ref import Ref

_HINT = "leave trafficPolicy.tls out: each workload is then called as its own PeerAuthentication says"


def says_tls(rule: ServicePolicy) -> bool:
    """Whether the rule writes a TLS mode anywhere."""
    policies = (rule.policy, *(subset.policy for subset in rule.subsets if subset.policy))
    return any(one.tls for policy in policies for one in (policy.all_ports, *(port for _, port in policy.ports)))


def written_for(hosts: Iterable[str], rules: Mapping[str, tuple[ServicePolicy, ...]]) -> Iterator[Ref]:
    """The rules that write a TLS mode for one of `hosts`."""
    keys = {key: None for host in hosts for key in precedence.patterns(host) if key in rules}
    yield from (rule.origin for key in keys for rule in rules[key] if says_tls(rule))


def all_written(rules: Mapping[str, tuple[ServicePolicy, ...]]) -> Iterator[Ref]:
    """All rules that write a TLS mode."""
    yield from (rule.origin for of_host in rules.values() for rule in of_host if says_tls(rule))


def mismatches(rule: ServicePolicy, mesh: Mesh) -> Iterator[Finding]:
    """One finding for each field of the rule that is not what some workload behind it accepts, as callers in the rule's own
    namespace see it."""
    if not says_tls(rule):
        return
    told: set[Ref] = set()
    for service in _services(rule, mesh):
        winner = precedence.policy(mesh, service, rule.namespace, rule.workload_selector)
        if winner is None or rule.origin not in (winner.origin, *winner.merged):
            continue
        for port in service.ports:
            for index, subset in ((-1, None), *enumerate(rule.subsets)):
                policy = precedence.port_policy(winner, port.number, subset.name if subset else "")
                at = rule.origin.at(_field(rule, index, subset, port.number))
                said = _refusing(mesh, service, port, subset, policy)
                if said and at not in told:
                    told.add(at)
                    yield said_of(at, policy, service, port, said)


def said_of(at: Ref, policy: PortPolicy, service: Service, port: ServicePort, by: Decision) -> Finding:
    """The finding, in words."""
    mode = policy.tls.mode.name if policy.tls else ""
    takes = "mTLS of the mesh only" if by.mode is MtlsMode.STRICT else "plaintext only"
    where = f"{service.hostname}:{port.number}"
    return finding("tls-mode-mismatch", at, mode=mode, where=where, takes=takes, other=by.origin, hint=_HINT)


def _services(rule: ServicePolicy, mesh: Mesh) -> Iterator[Service]:
    hosts = [rule.host]
    if is_wildcard(rule.host):
        hosts += sorted(host for host in mesh.services if host != rule.host and matches(rule.host, host))
    for host in hosts:
        found = precedence.service(mesh, host, rule.namespace) if host in mesh.services else None
        if found and found.hostname == host:  # another name's endpoints are judged where the name itself is
            yield found


def _field(rule: ServicePolicy, index: int, subset: Subset | None, port: int) -> str:
    """Where the mode of a port is written: the nearest that says one."""
    own = subset.policy if subset else None
    for place, policy in ((f"spec.subsets[{index}].trafficPolicy", own), ("spec.trafficPolicy", rule.policy)):
        if policy is None:
            continue
        if any(number == port for number, _ in policy.ports):
            return f"{place}.portLevelSettings"
        if policy.all_ports.tls:
            return f"{place}.tls.mode"
    return "spec"


def _refusing(mesh: Mesh, of: Service, port: ServicePort, subset: Subset | None, policy: PortPolicy) -> Decision | None:
    """Who says that an endpoint behind the port accepts something else."""
    if policy.tls is None:
        return None
    refused = MtlsMode.DISABLE if policy.tls.mode is TlsMode.ISTIO_MUTUAL else MtlsMode.STRICT
    for one in precedence.endpoints(mesh, of):
        if one.port_name == port.name and one.mtls and (subset is None or selects(subset.labels, one.labels)):
            by = at_endpoint(mesh, one, port)
            if by.mode is refused:
                return by
    return None
