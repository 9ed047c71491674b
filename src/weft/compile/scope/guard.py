"""What stands before one port of a proxy: the tokens it accepts, and the authorization policies."""

from collections.abc import Iterable
from dataclasses import replace

from weft.compile.scope.authorizers import literal, screening
from weft.compile.scope.screening_inputs import Guard
from weft.model.authentication import NO_KEYS, JwtRule, RequestAuthentication
from weft.model.authorization import AuthorizationPolicy
from weft.model.guard import is_for
from weft.model.mesh import Mesh
from weft.model.workload import Workload


def guard(mesh: Mesh, of: Workload, ports: Iterable[int], *, is_http: bool, gateways: Iterable[str] = ()) -> Guard:
    """The guard of a port of `of`, known by `ports`. `gateways`: the Gateways (`namespace/name`) that it serves."""
    settings = mesh.settings
    served = frozenset(gateways)
    chosen = [
        one
        for namespace in dict.fromkeys((settings.root_namespace, of.namespace))
        for one in mesh.guards.get(namespace, ())
        if is_for(one, of.namespace, of.labels, served, settings.root_namespace)
    ]
    policies = tuple(one for one in chosen if isinstance(one, AuthorizationPolicy))
    if not policies:
        return Guard()
    screened, named = screening(mesh, of), {one.provider for one in policies}
    asked = tuple(one for one in screened.asked if one.authorizer.name in named and (is_http or one.authorizer.http is None))
    return Guard(
        policies,
        tuple(dict.fromkeys(ports)),
        is_http,
        settings.trust_domain,
        literal(screened),
        asked,
        aliases=settings.trust_domain_aliases,
        federated=bool(mesh.federated),
    )


def authentications(mesh: Mesh, of: Workload, gateways: Iterable[str] = ()) -> tuple[RequestAuthentication, ...]:
    """The request authentications of a workload: the rules of all hold together. Fetched keys stand in the rules."""
    root, served = mesh.settings.root_namespace, frozenset(gateways)
    return tuple(
        replace(one, rules=tuple(keyed(rule, mesh) for rule in one.rules))
        for namespace in dict.fromkeys((root, of.namespace))
        for one in mesh.guards.get(namespace, ())
        if isinstance(one, RequestAuthentication) and is_for(one, of.namespace, of.labels, served, root)
    )


def keyed(of: JwtRule, mesh: Mesh) -> JwtRule:
    """The rule with its keys; without any, with a set that no token is signed with."""
    if not of.keys_at:
        return of
    found = mesh.key_sets.get(of.keys_at)
    return replace(of, jwks=found.jwks if found and found.jwks else NO_KEYS)
