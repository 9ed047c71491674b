"""Secrets that resources name: those that are not there, and those that cannot be used.

What needs one waits for it: a server closes the connections it would have served, a cluster fails what is sent there. Nothing
else is touched by that, and it heals as soon as the Secret is there."""

from collections.abc import Iterator

from weft.finding import Finding
from weft.messages import finding
from weft.model.credential import SECRET, Credential, credential_key
from weft.model.mesh import Mesh
from weft.translate.statement import Need, Statement


def of_needs(statement: Statement, mesh: Mesh, namespaces: tuple[str, ...]) -> Iterator[Finding]:
    """What is missing in one of `namespaces`, whose proxies look for it there."""
    if statement.policy and not statement.policy.workload_selector:
        yield from _anywhere(statement, mesh)
        return
    for need in statement.needs:
        for namespace in namespaces:
            yield from _of(need, namespace, mesh, _effect(statement))


def _effect(statement: Statement) -> str:
    if statement.guarding:
        return "nobody can sign in, and who would have to is refused"
    return "connections to this server are closed" if statement.gateway else "what is sent there fails"


def _anywhere(statement: Statement, mesh: Mesh) -> Iterator[Finding]:
    """Gateways of any namespace may be meant: it is enough that one of them has it."""
    for need in statement.needs:
        elsewhere = {key.split("/")[1] for key in mesh.credentials if key.endswith(f"/{need.name}") and key.startswith(SECRET)}
        own = statement.ref.namespace
        if not any(_usable(need, namespace, mesh) for namespace in (*sorted(elsewhere), own)):
            yield from _of(need, min(elsewhere, default=own, key=lambda one: (one != own, one)), mesh, _effect(statement))


def _of(need: Need, namespace: str, mesh: Mesh, effect: str) -> Iterator[Finding]:
    if _usable(need, namespace, mesh):
        return
    found = mesh.credentials.get(credential_key(SECRET, namespace, need.name))
    if found is None:
        yield finding(
            "unknown-secret", need.origin, namespace=namespace, name=need.name, effect=effect, hint=_hint(need, namespace, mesh)
        )
        return
    why = "it has no client-secret" if need.client else found.distrust if need.authorities else found.problem
    yield finding("unusable-secret", need.origin, namespace=namespace, name=need.name, why=why, effect=effect)


def _usable(need: Need, namespace: str, mesh: Mesh) -> bool:
    found = mesh.credentials.get(credential_key(SECRET, namespace, need.name))
    if need.client:
        return found is not None and bool(found.client_secret)
    if not need.authorities:
        return found is not None and not found.problem
    beside = mesh.credentials.get(credential_key(SECRET, namespace, f"{need.name}-cacert"))
    return not (_distrusted(found) and _distrusted(beside))


def _distrusted(of: Credential | None) -> bool:
    return of is None or bool(of.distrust)


def _hint(need: Need, namespace: str, mesh: Mesh) -> str:
    there = sorted(key.split("/")[1] for key in mesh.credentials if key.startswith(SECRET) and key.endswith(f"/{need.name}"))
    if there:
        return f"it is in namespace {there[0]}, and is looked for in that of the proxy: {namespace}"
    if need.client:
        return f"kubectl create secret generic {need.name} -n {namespace} --from-literal=client-secret=WORDS"
    if need.authorities:
        return f"kubectl create secret generic {need.name} -n {namespace} --from-file=ca.crt=FILE"
    return f"kubectl create secret tls {need.name} -n {namespace} --cert=FILE --key=FILE"


def of_credential(statement: Statement) -> Iterator[Finding]:
    """A certificate that nobody could be shown."""
    said = statement.credential
    if said and said.chain and said.private_key and said.problem:
        ref = statement.ref
        effect = "servers that name it keep what they had"
        yield finding("unusable-secret", ref, namespace=ref.namespace, name=ref.name, why=said.problem, effect=effect)
