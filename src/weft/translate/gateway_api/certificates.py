"""Certificates of listeners, and the authorities with which they check their callers: which references lead to something.

A reference that is permitted is kept even while its Secret is missing: the listener then closes connections, and heals when it
comes. One that is not permitted is as if it had not been written.
https://gateway-api.sigs.k8s.io/reference/spec/#listenertlsconfig, https://gateway-api.sigs.k8s.io/reference/spec/#frontendtlsvalidation
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from weft.model.credential import CONFIG_MAP, SECRET, Credential, credential_key
from weft.model.gateway import ServerTls
from weft.ref import Ref
from weft.translate.gateway_api.written import Gateway, Grant, Listener, ObjectRef

NOWHERE = "Secret//"
"""The key of a credential that never is: who trusts only it trusts nobody."""


class Lookup(Protocol):
    """What a listener may look up."""

    def grants(self, namespace: str) -> tuple[Grant, ...]:
        """The ReferenceGrants of a namespace."""
        ...

    def credential(self, key: str) -> Credential | None:
        """What a Secret or ConfigMap holds."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """A reference that leads to nothing, in the specification's word and ours."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Certified:
    """`credentials` are the keys of a listener's certificates, `authorities` those its callers are checked with (none: they are
    not), `fallback`: callers who fail that are let in all the same. `problems` are of its references; `dead`: why nothing can be
    served, or nothing. `reads` are the keys and namespaces (`grants/NAMESPACE`) that were looked up."""

    credentials: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    fallback: bool = False
    problems: tuple[Problem, ...] = ()
    dead: str = ""
    refused: bool = False
    reads: frozenset[str] = frozenset()


NOTHING = Certified()


def certified(gateway: Gateway, listener: Listener, view: Lookup) -> Certified:
    """The certificates of `listener`, which `gateway` or a ListenerSet that it takes has written."""
    if listener.tls is not ServerTls.SIMPLE:
        return NOTHING
    reads: set[str] = set()
    problems: list[Problem] = []
    shown = tuple(_usable(listener.certificates, listener.origin, view, reads, problems, authorities=False))
    good = [key for key in shown if (found := view.credential(key)) and not found.problem]
    dead = problems[0].message if problems and not good and not listener.certificate_file else ""
    frontend = gateway.frontend_of(listener.port)
    if frontend is None:
        return Certified(shown, problems=tuple(problems), dead=dead, reads=frozenset(reads))
    mistrusts: list[Problem] = []
    trusted = tuple(_usable(frontend.references, gateway.origin, view, reads, mistrusts, authorities=True))
    fit = [key for key in trusted if (found := view.credential(key)) and not found.distrust]
    refused = not fit
    return Certified(
        shown,
        trusted or (NOWHERE,),
        frontend.fallback,
        (*problems, *mistrusts),
        dead or (mistrusts[0].message if refused and mistrusts else ""),
        refused,
        frozenset(reads),
    )


def _usable(
    references: tuple[ObjectRef, ...], who: Ref, view: Lookup, reads: set[str], problems: list[Problem], *, authorities: bool
) -> Iterator[str]:
    """The keys that `references` lead to, and what is wrong with each."""
    kinds = (CONFIG_MAP, SECRET) if authorities else (SECRET,)
    wrong = "InvalidCACertificateRef" if authorities else "InvalidCertificateRef"
    for one in references:
        if one.group or one.kind not in kinds:
            what = f"{one.kind} of {one.group}" if one.group else one.kind
            reason = "InvalidCACertificateKind" if authorities else wrong
            problems.append(Problem(reason, f"{what} holds no certificates: {' and '.join(kinds)} do"))
            continue
        key = credential_key(one.kind, one.namespace, one.name)
        if one.namespace != who.namespace:
            reads.add(f"grants/{one.namespace}")
            if not any(grant.permits(who, one.group, one.kind, one.name) for grant in view.grants(one.namespace)):
                words = f"a {who.kind} of namespace {who.namespace} refer to {one.kind} {one.name}"
                problems.append(Problem("RefNotPermitted", f"no ReferenceGrant of namespace {one.namespace} lets {words}"))
                continue
        reads.add(key)
        found = view.credential(key)
        if found is None:
            problems.append(Problem(wrong, f"there is no {one.kind} {one.namespace}/{one.name}"))
        elif why := found.distrust if authorities else found.problem:
            problems.append(Problem(wrong, f"the {one.kind} {one.namespace}/{one.name} cannot be used: {why}"))
        yield key


