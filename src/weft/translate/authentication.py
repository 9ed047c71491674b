"""RequestAuthentication into the model."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from weft.finding import Finding
from weft.messages import finding
from weft.model import authentication as model
from weft.model.labels import labels
from weft.model.login import OidcLogin
from weft.model.mesh import Mesh, Settings
from weft.model.service import Location, Protocol, Resolution, Service, ServicePort
from weft.model.traffic import ClientTls, PortPolicy, ServicePolicy, TlsMode, TrafficPolicy
from weft.resource.core.config_map import ConfigMap
from weft.resource.duration import seconds
from weft.resource.istio.request_authentication import JwtRule, RequestAuthentication
from weft.resource.resource import Resource
from weft.translate.statement import Backing, Instance, Statement, TargetPort

KEY_SET = "mesh.weft.dev/key-set"
"""The label of the ConfigMaps in the root namespace that hold what was fetched, under these names."""
AT, JWKS, PROBLEM, SINCE = "at", "jwks", "problem", "since"
AUTHORIZATION, TOKEN, END = "authorizationEndpoint", "tokenEndpoint", "endSessionEndpoint"
_PATIENCE = 5.0


def request_authentication(resource: Resource, spec: RequestAuthentication) -> Statement:
    """A RequestAuthentication."""
    targets = (*((spec.target_ref,) if spec.target_ref else ()), *spec.target_refs)
    said = model.RequestAuthentication(
        resource.meta.namespace,
        resource.meta.name,
        resource.ref,
        labels(spec.selector.match_labels) if spec.selector else (),
        tuple(sorted({one.name for one in targets})),
        tuple(_rule(one) for one in spec.jwt_rules),
    )
    return Statement(resource.ref, guarding=said)


def keys_at(issuer: str, jwks_uri: str) -> str:
    """Where the keys of an issuer are fetched: where it is said, else where its OpenID configuration is, which says it.
    https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig"""
    return jwks_uri or f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def key_set_name(at: str) -> str:
    """Of the ConfigMap for an address."""
    return f"weft-keys-{model.issuer_host(at).partition('.')[0]}"


def key_set(resource: Resource, said: ConfigMap, settings: Settings) -> Statement | None:
    """The ConfigMap in which the control plane keeps what it fetched; None for any other."""
    data, meta = said.data, resource.meta
    if meta.namespace != settings.root_namespace or KEY_SET not in meta.labels or meta.name != key_set_name(data.get(AT, "")):
        return None
    ends = (data.get(AUTHORIZATION, ""), data.get(TOKEN, ""), data.get(END, ""))
    at = data.get(AT, "")
    found = model.KeySet(at, data.get(JWKS, ""), resource.ref, data.get(PROBLEM, ""), *ends, since=data.get(SINCE, ""))
    stated = Statement(resource.ref, key_set=found)
    return _with_service(stated, found) if found.token else stated


def _with_service(said: Statement, of: model.KeySet) -> Statement:
    """Gateways ask the issuer for tokens: it is a service of its own, whatever else the mesh knows of its host."""
    parts, host, namespace = urlsplit(of.token), model.issuer_host(of.at), of.origin.namespace
    secure = parts.scheme == "https"
    port = ServicePort(parts.port or (443 if secure else 80), "https" if secure else "http", Protocol.HTTP)
    name = parts.hostname or ""
    service = Service(host, namespace, of.origin.name, (port,), of.origin, Location.EXTERNAL, Resolution.DNS)
    backing = Backing(
        host, namespace, (TargetPort(port.name, port.number, port.number),), instances=(Instance("", namespace, name),)
    )
    tls = ClientTls(TlsMode.SIMPLE, subject_alt_names=(name,), sni=name)
    policy = ServicePolicy(host, namespace, of.origin, TrafficPolicy(PortPolicy(tls=tls))) if secure else None
    return replace(said, services=(service,), backings=(backing,), policy=policy)


def of_keys(statement: Statement, mesh: Mesh) -> Iterator[Finding]:
    """Keys that could not be fetched: the last ones serve on, and without any nobody is accepted."""
    said = statement.guarding
    if isinstance(said, OidcLogin):
        yield from _of_login(said, mesh)
    for index, rule in enumerate(said.rules if isinstance(said, model.RequestAuthentication) else ()):
        found = mesh.key_sets.get(rule.keys_at) if rule.keys_at else None
        if found and found.problem:
            effect = f"those of {found.since} serve on" if found.jwks else f"tokens of {rule.issuer} are refused until they are"
            origin = statement.ref.at(f"spec.jwtRules[{index}].jwksUri")
            yield finding("keys-not-fetched", origin, at=found.at, why=found.problem, effect=effect)


def _of_login(of: OidcLogin, mesh: Mesh) -> Iterator[Finding]:
    """Nobody can sign in while the provider's endpoints are unknown."""
    found = mesh.key_sets.get(of.keys_at)
    if found is None or (found.token and found.authorization and not found.problem):
        return
    why = found.problem or "it does not say where to sign in and to get tokens"
    effect = "who has a session keeps it" if found.token else "nobody can sign in, and who would have to is refused"
    yield finding("keys-not-fetched", of.origin.at("spec.issuer"), at=found.at, why=why, effect=effect)


def _rule(of: JwtRule) -> model.JwtRule:
    return model.JwtRule(
        of.issuer,
        of.jwks,
        of.audiences,
        tuple((one.name, one.prefix) for one in of.from_headers),
        of.from_params,
        of.from_cookies,
        of.output_payload_to_header,
        of.forward_original_token,
        tuple((one.header, one.claim) for one in of.output_claim_to_headers),
        of.space_delimited_claims,
        "" if of.jwks else keys_at(of.issuer, of.jwks_uri),
        seconds(of.timeout) if of.timeout else _PATIENCE,
    )
