"""Where people sign in who come to a gateway."""

from collections.abc import Iterable

from weft.compile.scope.guard import keyed
from weft.compile.scope.screening_inputs import Login
from weft.envoy.names import client_secret, login_cookie, outbound_cluster, secret_sources
from weft.model.authentication import JwtRule, issuer_host
from weft.model.guard import is_for
from weft.model.login import OidcLogin
from weft.model.mesh import Mesh
from weft.model.workload import Workload


def logins(mesh: Mesh, of: Workload, gateways: Iterable[str]) -> tuple[Login, ...]:
    """The logins of a gateway's workload that serves `gateways` (`namespace/name`)."""
    root, served = mesh.settings.root_namespace, frozenset(gateways)
    return tuple(
        _login(mesh, one, of.namespace)
        for namespace in dict.fromkeys((root, of.namespace))
        for one in mesh.guards.get(namespace, ())
        if isinstance(one, OidcLogin) and is_for(one, of.namespace, of.labels, served, root)
    )


def _login(mesh: Mesh, of: OidcLogin, namespace: str) -> Login:
    found = mesh.key_sets.get(of.keys_at)
    (key,) = secret_sources(client_secret(namespace, of.secret))
    known = mesh.credentials.get(key)
    service = next(iter(mesh.services.get(issuer_host(of.keys_at), ())), None)
    if not (found and found.token and found.authorization and service and known and known.client_secret):
        return Login(of, namespace)
    cluster = outbound_cluster(service.ports[0].number, "", service.hostname)
    return Login(of, namespace, cluster, found.authorization, found.token, found.end)


def tokens(mesh: Mesh, of: Iterable[Login]) -> tuple[JwtRule, ...]:
    """What is accepted of those who have signed in: their ID tokens, which the filter before leaves in cookies."""
    return tuple(keyed(_token(one.login), mesh) for one in of)


def _token(of: OidcLogin) -> JwtRule:
    cookie = login_cookie(of.namespace, of.name, "id-token")
    return JwtRule(of.issuer, "", (of.client_id,), cookies=(cookie,), keys_at=of.keys_at)


def sources(of: Iterable[Login]) -> frozenset[str]:
    """The keys of the credentials and the hosts that were looked up."""
    return frozenset(
        key
        for one in of
        for key in (*secret_sources(client_secret(one.namespace, one.login.secret)), issuer_host(one.login.keys_at))
    )
