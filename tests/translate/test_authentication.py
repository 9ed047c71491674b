"""Keys that were fetched, and what is said where they were not."""

from dataclasses import replace

from msgspec.structs import replace as replace_fields

from weft.model.authentication import issuer_host
from weft.model.mesh import Settings
from weft.resource.decode import decode
from weft.resource.resource import Resource
from weft.translate.authentication import AT, JWKS, KEY_SET, PROBLEM, SINCE, TOKEN, key_set_name
from weft.translate.mesh import Translation, advance, translation

AT_HOME = "https://login.example.com/keys"


def resource(body: dict[str, object]) -> Resource:
    """As decoded."""
    found = decode(body)
    assert found.resource is not None, found.findings
    return found.resource


def tokens(**words: str) -> Resource:
    """A RequestAuthentication."""
    meta = {"name": "tokens", "namespace": "default"}
    rule = {"issuer": "https://login.example.com", "jwksUri": AT_HOME, **words}
    spec = {"jwtRules": [rule]}
    return resource({"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication", "metadata": meta, "spec": spec})


def kept(jwks: str, problem: str, *, namespace: str = "istio-system", name: str = key_set_name(AT_HOME)) -> Resource:
    """The ConfigMap with the keys."""
    meta = {"name": name, "namespace": namespace, "labels": {KEY_SET: "true"}}
    data = {AT: AT_HOME, JWKS: jwks, PROBLEM: problem, SINCE: "2026-01-01T00:00:00Z"}
    return resource({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


def said(of: Translation) -> list[str]:
    """The findings' messages."""
    return [one.message for found in of.findings.values() for one in found if one.code == "keys-not-fetched"]


def test_the_last_keys_serve_on() -> None:
    """A failure is said as long as it lasts; the keys stay."""
    good, failed = kept("{}", ""), kept("{}", "no answer")
    before = translation(Settings(), [tokens(), good])
    assert said(before) == [] and before.mesh.key_sets[AT_HOME].jwks == "{}"
    after, change = advance(before, [(good, failed)])
    assert change.everything
    assert said(after) == [f"the keys at {AT_HOME} were not fetched: no answer: those of 2026-01-01T00:00:00Z serve on"]
    assert said(advance(after, [(failed, good)])[0]) == []
    assert advance(after, [(failed, None)])[0].mesh.key_sets == {}


def test_without_any_keys_tokens_are_refused() -> None:
    """And that is said."""
    assert said(translation(Settings(), [tokens(), kept("", "no answer")])) == [
        f"the keys at {AT_HOME} were not fetched: no answer: tokens of https://login.example.com are refused until they are"
    ]


def test_nobody_else_says_what_the_keys_are() -> None:
    """A ConfigMap of another namespace, or of another name, is none of them."""
    others = [kept("{}", "", namespace="default"), kept("{}", "", name="mine")]
    assert translation(Settings(), [tokens(), *others]).mesh.key_sets == {}


def test_gateways_ask_an_issuer_for_tokens_as_a_service_of_its_own() -> None:
    """With TLS for the name of its endpoint; gone when the endpoint is."""
    of = kept("{}", "")
    told = replace(of, spec=replace_fields(of.spec, data={**of.spec.data, TOKEN: "https://login.example.com/token"}))
    mesh = translation(Settings(), [told]).mesh
    (service,) = mesh.services[issuer_host(AT_HOME)]
    assert [(one.number, one.name) for one in service.ports] == [(443, "https")]
    assert [one.address for one in mesh.endpoints[issuer_host(AT_HOME)]] == ["login.example.com"]
    (policy,) = mesh.policies[issuer_host(AT_HOME)]
    assert policy.policy.all_ports.tls and policy.policy.all_ports.tls.sni == "login.example.com"
    assert advance(translation(Settings(), [told]), [(told, of)])[0].mesh.services == {}


def test_inline_keys_are_not_looked_for() -> None:
    """What stands in `jwks` is enough."""
    inline = tokens(jwks='{"keys":[{"kty":"EC"}]}', jwksUri="")
    assert said(translation(Settings(), [inline, kept("", "no answer")])) == []
