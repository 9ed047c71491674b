"""Rules about tokens as Envoy's filter."""

from envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import JwtAuthentication

from weft.compile.filters.jwt_authn import before, jwt_authn
from weft.model.authentication import JwtRule

JO, AL = JwtRule("https://jo", "{}"), JwtRule("https://al", "{}", ("weft",))


def _said(*rules: JwtRule) -> JwtAuthentication:
    return JwtAuthentication.FromString(jwt_authn(rules).typed_config.value)


def test_without_rules_there_is_no_filter() -> None:
    """A chain stays the one it was."""
    assert before((), ()) == ()
    assert len(before((JO,), ())) == 1


def test_a_token_of_one_issuer_is_checked_and_none_passes() -> None:
    """It is his, or there is none."""
    said = _said(JO)
    (name,) = said.providers
    first, second = said.rules[0].requires.requires_any.requirements
    assert (first.provider_name, second.HasField("allow_missing")) == (name, True)
    assert said.providers[name].payload_in_metadata == "payload"


def test_of_several_issuers_one_is_enough() -> None:
    """Where all look in one place the token of one is a wrong one to the others; in places of their own each is checked."""
    requirements = _said(JO, AL).rules[0].requires.requires_any.requirements
    assert len({one.provider_name for one in requirements[:2]}) == 2
    assert len(requirements[2].requires_all.requirements) == 2


def test_two_rules_of_one_issuer_have_two_names() -> None:
    """The names come from what the rules say, not from where they stand."""
    other = JwtRule("https://jo", "{}", ("weft",))
    assert set(_said(JO, other).providers) == set(_said(other, JO).providers)
    assert len(_said(JO, other).providers) == 2
