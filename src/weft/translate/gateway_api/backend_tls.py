"""BackendTLSPolicies: which of them holds for which port of a Service, and their statuses.

Of two for one target the older holds; one for a single port comes before one for the whole Service. One whose authorities are
missing holds all the same, and calls then fail: it never falls back to plain text or to another trust.
https://gateway-api.sigs.k8s.io/reference/spec/#backendtlspolicy
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from weft.hostname import service_name
from weft.model.backend_tls import BackendTls
from weft.model.credential import Credential, credential_key
from weft.model.mesh import Settings
from weft.model.service import Service
from weft.ref import Ref
from weft.resource.gateway_api.backend_tls_policy import BackendTlsPolicy
from weft.resource.gateway_api.reference import ParentReference
from weft.resource.resource import Resource
from weft.translate.draft import Buckets, Draft
from weft.translate.gateway_api.status import Condition, ParentStatus, PolicyStatus
from weft.translate.gateway_api.tls_policy import BackendTarget, TlsPolicy
from weft.translate.statement import Statement

_KINDS = {("", "ConfigMap"): "ConfigMap", ("", "Secret"): "Secret"}


def backend_tls_policy(resource: Resource, spec: BackendTlsPolicy, settings: Settings) -> Statement:
    """What one policy says."""
    meta, ref, said = resource.meta, resource.ref, spec.validation
    targets = tuple(
        BackendTarget(
            service_name(one.name, meta.namespace, settings.domain),
            one.name,
            one.section_name,
            ref.at(f"spec.targetRefs[{i}]"),
        )
        for i, one in enumerate(spec.target_refs)
        if (one.group, one.kind) == ("", "Service")
    )
    references = tuple((one.group, one.kind, one.name) for one in said.ca_certificate_refs)
    names = tuple(one.hostname or one.uri for one in said.subject_alt_names)
    system = said.well_known_ca_certificates == "System"
    policy = TlsPolicy(ref, targets, said.hostname, names, references, system, meta.creation_timestamp)
    return Statement(ref, tls_policy=policy)


@dataclass(frozen=True, slots=True)
class TlsPolicies:
    """What `advance` remembers: the policies, and those that name a host or a credential."""

    policies: Mapping[Ref, TlsPolicy] = field(default_factory=dict)
    targeting: Mapping[str, frozenset[Ref]] = field(default_factory=dict)
    trusting: Mapping[str, frozenset[Ref]] = field(default_factory=dict)


class TlsPoliciesDraft:
    """The policies while they change."""

    def __init__(self, base: TlsPolicies, held: Mapping[str, tuple[BackendTls, ...]]) -> None:
        self._policies = Draft(base.policies)
        self._targeting = Buckets(base.targeting)
        self._trusting = Buckets(base.trusting)
        self.held = Draft(held)
        self._hosts: dict[str, None] = {}

    def replace(self, ref: Ref, gone: TlsPolicy | None, come: TlsPolicy | None) -> None:
        """The policy `ref` is `come` from now on."""
        for target in gone.targets if gone else ():
            self._targeting.discard(target.host, ref)
            self._hosts[target.host] = None
        for key in gone.authorities if gone else ():
            self._trusting.discard(key, ref)
        for target in come.targets if come else ():
            self._targeting.add(target.host, ref)
            self._hosts[target.host] = None
        for key in come.authorities if come else ():
            self._trusting.add(key, ref)
        self._policies.put(ref, come)

    def touch(self, hosts: Iterable[str], credentials: Iterable[str]) -> None:
        """Services, the Gateways that lead to them, or credentials changed."""
        self._hosts.update((host, None) for host in hosts if self._targeting.get(host))
        for key in credentials:
            for ref in self._trusting.get(key):
                if policy := self._policies.get(ref):
                    self._hosts.update((target.host, None) for target in policy.targets)

    def revise(
        self,
        services: Callable[[str], tuple[Service, ...]],
        credential: Callable[[str], Credential | None],
        gateways: Callable[[str], tuple[str, ...]],
        tell: Callable[[Ref, PolicyStatus | None], None],
    ) -> None:
        """Settles what changed. `gateways` are the keys of those that lead to a host, `tell` is told the status of a policy."""
        again: dict[Ref, None] = {}
        for host in self._hosts:
            again.update(dict.fromkeys(self._targeting.get(host)))
            self.held.put(host, tuple(one for one, _, _ in self._winners(host)))
        for ref in {**again, **dict.fromkeys(self._policies.changed())}:
            policy = self._policies.get(ref)
            tell(ref, self._status(policy, services, credential, gateways) if policy else None)

    def _winners(self, host: str) -> list[tuple[BackendTls, TlsPolicy, BackendTarget]]:
        found: dict[str, tuple[BackendTls, TlsPolicy, BackendTarget]] = {}
        for policy in sorted((one for ref in self._targeting.get(host) if (one := self._policies.get(ref))), key=_age):
            for target in policy.targets:
                if target.host == host and target.port not in found:
                    held = BackendTls(target.port, policy.hostname, policy.names, policy.trusted, policy.origin)
                    found[target.port] = (held, policy, target)
        return [found[port] for port in sorted(found, reverse=True)]  # the whole Service last

    def _status(
        self,
        policy: TlsPolicy,
        services: Callable[[str], tuple[Service, ...]],
        credential: Callable[[str], Credential | None],
        gateways: Callable[[str], tuple[str, ...]],
    ) -> PolicyStatus:
        parents: dict[ParentReference, ParentStatus] = {}
        resolved = _resolved(policy, credential)
        for target in policy.targets:
            accepted = self._accepted(policy, target, services, resolved)
            for parent in _ancestors(policy, target, gateways(target.host)):
                before = parents.get(parent)
                if before is None or before.conditions[0].holds:
                    parents[parent] = ParentStatus(parent, target.origin, (accepted, resolved))
        return PolicyStatus(tuple(parents.values()))

    def _accepted(
        self, policy: TlsPolicy, target: BackendTarget, services: Callable[[str], tuple[Service, ...]], resolved: Condition
    ) -> Condition:
        service = next((one for one in services(target.host) if one.origin.kind == "Service"), None)
        if service is None:
            return Condition("Accepted", False, "TargetNotFound", f"there is no Service {policy.origin.namespace}/{target.name}")
        if target.port and not any(port.name == target.port for port in service.ports):
            known = ", ".join(port.name for port in service.ports if port.name)
            return Condition("Accepted", False, "TargetNotFound", f"the Service {target.name} has no port {target.port}: {known}")
        winner = next(one for _, one, at in self._winners(target.host) if at.port == target.port)
        if winner.origin != policy.origin:
            return Condition("Accepted", False, "Conflicted", f"{winner.origin} is older and holds for {target.name}")
        if not resolved.holds and not policy.system:
            return Condition("Accepted", False, "NoValidCACertificate", resolved.message)
        return Condition("Accepted", True, "Accepted")

    def frozen(self) -> TlsPolicies:
        """What to remember."""
        return TlsPolicies(self._policies.frozen(), self._targeting.frozen(), self._trusting.frozen())


def _age(of: TlsPolicy) -> tuple[str, str, str]:
    return of.created, of.origin.namespace, of.origin.name


def _resolved(policy: TlsPolicy, credential: Callable[[str], Credential | None]) -> Condition:
    for group, kind, name in policy.references:
        if (group, kind) not in _KINDS:
            what = f"{kind} of {group}" if group else kind
            return Condition("ResolvedRefs", False, "InvalidKind", f"{what} holds no authorities: ConfigMap and Secret do")
        found = credential(credential_key(kind, policy.origin.namespace, name))
        why = "it is not there" if found is None else found.distrust
        if why:
            message = f"the {kind} {policy.origin.namespace}/{name} cannot be used: {why}"
            return Condition("ResolvedRefs", False, "InvalidCACertificateRef", message)
    if not policy.references and not policy.system:
        return Condition("ResolvedRefs", False, "InvalidCACertificateRef", "no authorities are named")
    return Condition("ResolvedRefs", True, "ResolvedRefs")


def _ancestors(policy: TlsPolicy, target: BackendTarget, gateways: tuple[str, ...]) -> Iterator[ParentReference]:
    """The Gateways that lead to the target; without any, the Service, which sidecars call."""
    for key in gateways:
        namespace, _, name = key.partition("/")
        yield ParentReference(kind="Gateway", namespace=namespace, name=name)
    if not gateways:
        yield ParentReference(group="", kind="Service", namespace=policy.origin.namespace, name=target.name)
