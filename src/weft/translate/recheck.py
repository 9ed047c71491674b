"""Which findings a change may have changed, found by the hosts and gateways that resources name."""

from collections.abc import Callable, Iterable, Mapping

from weft.finding import Finding
from weft.hostname import is_wildcard, matches, near
from weft.model.mesh import Mesh
from weft.model.precedence import patterns
from weft.model.traffic import ServicePolicy
from weft.ref import Ref
from weft.translate.attach import Attachments
from weft.translate.authentication import of_keys
from weft.translate.draft import Buckets, Draft
from weft.translate.gateway_api.backend_tls import TlsPolicies
from weft.translate.gateway_api.draft import GatewayApi
from weft.translate.index import Index, Shelf
from weft.translate.needs import of_credential, of_needs
from weft.translate.references import findings
from weft.translate.statement import Statement


def _named_by(host: str) -> tuple[str, ...]:
    """The hosts whose coming and going matter to who names `host`: itself, and a service that it may be an instance of."""
    parent = host.partition(".")[2]
    return (host, parent) if ".svc." in parent else (host,)


class Recheck:
    """Collects the resources to look at again, then looks."""

    def __init__(self, before: Mapping[Ref, tuple[Finding, ...]], index: Index) -> None:
        self._findings = Draft(before)
        self._referrers = Buckets(index.referrers)
        self._gateway_referrers = Buckets(index.gateway_referrers)
        self._credential_referrers = Buckets(index.credential_referrers)
        self._unknown = index.unknown
        self._doubtful: dict[str, None] = {}  # hosts that may have become known or unknown
        self._refs: dict[Ref, None] = {}

    def replace(self, ref: Ref, old: Statement | None, new: Statement | None) -> None:
        """The statement of `ref` was exchanged."""
        self._refs[ref] = None
        for reference in old.references if old else ():
            for named in _named_by(reference.host):
                self._referrers.discard(named, ref)
            self._doubtful[reference.host] = None
        for reference in new.references if new else ():
            for named in _named_by(reference.host):
                self._referrers.add(named, ref)
            self._doubtful[reference.host] = None
        for gateway, _ in old.gateways if old else ():
            self._gateway_referrers.discard(gateway, ref)
        for gateway, _ in new.gateways if new else ():
            self._gateway_referrers.add(gateway, ref)

        for need in old.needs if old else ():
            self._credential_referrers.discard(need.name, ref)
        for need in new.needs if new else ():
            self._credential_referrers.add(need.name, ref)

    def refs(self, refs: Iterable[Ref]) -> None:
        """These."""
        self._refs.update(dict.fromkeys(refs))

    def hosts(self, hosts: Iterable[str]) -> None:
        """Who names one of `hosts`, or what a wildcard among them covers."""
        for host in hosts:
            for named in self._named(host):
                self.refs(self._referrers.get(named))

    def services(self, changed: Iterable[str], appeared_or_gone: Iterable[str]) -> None:
        """Who names a service that changed, and whose unknown host may have been meant to be one that came or went."""
        self.hosts(changed)
        for host in appeared_or_gone:
            self._doubtful.update(dict.fromkeys(self._named(host)))
            for unknown in self._unknown:
                if near(unknown, host):
                    self.refs(self._referrers.get(unknown))

    def endpoints(self, hosts: Iterable[str]) -> None:
        """Whose missing subset may be guessed otherwise now that the endpoints of `hosts` changed."""
        for host in hosts:
            for named in self._named(host):
                for ref in self._referrers.get(named):
                    if any(one.code == "unknown-subset" for one in self._findings.get(ref) or ()):
                        self._refs[ref] = None

    def gateways(self, changed: Iterable[str], appeared_or_gone: Iterable[str], known: Mapping[str, object]) -> None:
        """Who names a gateway that changed; and when the names there are changed, who names one that is not there."""
        missing = [key for key in self._gateway_referrers.present() if key not in known] if appeared_or_gone else []
        for key in (*changed, *missing):
            self.refs(self._gateway_referrers.get(key))

    def credentials(self, changed: Iterable[str]) -> None:
        """Who names a Secret that changed."""
        for key in changed:
            name = key.rpartition("/")[2]
            for named in (name, name.removesuffix("-cacert")):
                self.refs(self._credential_referrers.get(named))

    def _named(self, host: str) -> Iterable[str]:
        """The hosts that are named somewhere and that `host`, perhaps a wildcard, covers."""
        if is_wildcard(host):
            return [named for named in self._referrers.present() if matches(host, named)]
        return (host,)

    def findings(
        self,
        mesh: Mesh,
        rules: Mapping[str, tuple[ServicePolicy, ...]],
        statement: Callable[[Ref], Statement | None],
        told: Callable[[Ref], Iterable[Finding]],
        namespaces: Callable[[Statement], tuple[str, ...]],
    ) -> Mapping[Ref, tuple[Finding, ...]]:
        """All findings, those of the collected resources found anew in `mesh`; `told` are those that follow from a status.
        `namespaces` are those in which a resource's Secrets are looked up."""
        for ref in self._refs:
            said = statement(ref)
            self._findings.put(ref, self._found(said, mesh, rules, told, namespaces) if said else ())
        self._update_unknown(mesh)
        return self._findings.frozen()

    def _found(
        self,
        said: Statement,
        mesh: Mesh,
        rules: Mapping[str, tuple[ServicePolicy, ...]],
        told: Callable[[Ref], Iterable[Finding]],
        namespaces: Callable[[Statement], tuple[str, ...]],
    ) -> tuple[Finding, ...]:
        secrets = of_needs(said, mesh, namespaces(said)) if said.needs else ()
        return (*findings(said, mesh, rules), *secrets, *of_credential(said), *of_keys(said, mesh), *told(said.ref))

    def _update_unknown(self, mesh: Mesh) -> None:
        missing = {
            host
            for host in self._doubtful
            if self._referrers.get(host) and not any(key in mesh.services for key in patterns(host))
        }
        gone = self._unknown & self._doubtful.keys() - missing
        if gone or not missing <= self._unknown:
            self._unknown = (self._unknown - gone) | missing

    def index(
        self,
        statements: Mapping[Shelf, Mapping[str, Statement]],
        rules: Mapping[str, tuple[ServicePolicy, ...]],
        attachments: Attachments,
        api: GatewayApi,
        tls_policies: TlsPolicies,
    ) -> Index:
        """The index to keep."""
        return Index(
            statements,
            rules,
            attachments,
            self._referrers.frozen(),
            self._gateway_referrers.frozen(),
            self._unknown,
            api,
            tls_policies,
            self._credential_referrers.frozen(),
        )
