"""Authorization policies as Envoy's RBAC rules."""

import re
from dataclasses import replace

from envoy.config.rbac.v3.rbac_pb2 import RBAC
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from meshes import mesh, proxy

from weft.compile.authorization import rbac
from weft.compile.path_match import host as host_match
from weft.compile.path_match import text
from weft.compile.scope.screening_inputs import Guard
from weft.compile.snapshot import Cache, snapshot
from weft.model import authorization as model
from weft.model.authorization import Action, AuthorizationPolicy, Condition, Rule
from weft.model.guard import is_for
from weft.model.mesh import Settings
from weft.model.workload import Address, InboundPort
from weft.ref import Ref

HTTP = Guard(ports=(8080, 20001), trust_domain="example.org")
TCP = replace(HTTP, is_http=False)


def policy(*rules: Rule, action: Action = Action.ALLOW, name: str = "p", **said: object) -> AuthorizationPolicy:
    """The policy default/p."""
    ref = Ref("security.istio.io", "AuthorizationPolicy", "default", name)
    return AuthorizationPolicy("default", name, ref, action, rules=rules, **said)  # type: ignore[arg-type]


def made(*rules: Rule, action: Action = Action.ALLOW, of: Guard = HTTP) -> RBAC | None:
    """What Envoy is told of these rules."""
    return rbac(replace(of, policies=(policy(*rules, action=action),)), action)


GETS = Condition(model.METHOD, ("GET",))
WEB = Condition(model.PRINCIPAL, ("cluster.local/ns/default/sa/web",))


def test_allow_without_rules_allows_nothing() -> None:
    """Envoy denies what no policy allows; DENY without rules decides nothing."""
    nothing = made()
    assert nothing is not None and nothing.action == RBAC.ALLOW and not nothing.policies
    assert made(action=Action.DENY) is None
    assert rbac(HTTP, Action.ALLOW) is None


def test_an_empty_rule_is_for_everything() -> None:
    """It matches any request of anybody."""
    everything = made(Rule())
    assert everything is not None
    (only,) = everything.policies.values()
    assert only.permissions[0].any and only.principals[0].any


def test_a_rule_is_named_as_istio_names_it() -> None:
    """Logs and dashboards made for Istio find it."""
    said = made(Rule(), Rule(sources=((WEB,),)))
    assert said is not None
    assert sorted(said.policies) == ["ns[default]-policy[p]-rule[0]", "ns[default]-policy[p]-rule[1]"]


def test_cluster_local_is_the_trust_domain_of_the_mesh() -> None:
    """Policies say cluster.local whatever the mesh calls itself; another domain is meant as it is written."""
    said = made(Rule(sources=((WEB,), (Condition(model.PRINCIPAL, ("other.org/ns/a/*", "*/sa/b")),))))
    assert said is not None
    first, second = said.policies["ns[default]-policy[p]-rule[0]"].principals
    exact = first.and_ids.ids[0].or_ids.ids[0].authenticated.principal_name.exact
    assert exact == "spiffe://example.org/ns/default/sa/web"
    names = [one.authenticated.principal_name for one in second.and_ids.ids[0].or_ids.ids]
    assert (names[0].prefix, names[1].suffix) == ("spiffe://other.org/ns/a/", "/sa/b")


def _names(*conditions: Condition, of: Guard) -> list[str]:
    """The principals of a rule with these conditions, as Envoy's configuration says them."""
    said = made(Rule(sources=(conditions,)), of=of)
    assert said is not None
    (principal,) = said.policies["ns[default]-policy[p]-rule[0]"].principals
    return re.findall(r'(?:exact|prefix|suffix|regex): "(.*)"', str(principal))


def test_an_alias_means_the_mesh_under_each_of_its_names() -> None:
    """A policy may say any of the names; a peer may have any of them. A domain that is no alias is another one."""
    of = replace(HTTP, aliases=("old.org", "older.org"))
    own = [f"spiffe://{one}/ns/default/sa/web" for one in ("example.org", "old.org", "older.org")]
    for domain in ("cluster.local", "example.org", "old.org", "older.org"):
        assert _names(Condition(model.PRINCIPAL, (f"{domain}/ns/default/sa/web",)), of=of) == own
    assert _names(Condition(model.PRINCIPAL, ("other.org/ns/default/sa/web",)), of=of) == ["spiffe://other.org/ns/default/sa/web"]


def test_namespaces_are_those_of_the_mesh_where_workloads_of_others_come() -> None:
    """A federated domain's namespace of the same name is another one; without such a domain nobody else gets in, and any will
    do."""
    for condition in (Condition(model.NAMESPACE, ("default",)), Condition(model.SERVICE_ACCOUNT, ("default/web",))):
        alone, federated, both = (
            _names(condition, of=replace(HTTP, **said))  # type: ignore[arg-type]
            for said in ({"aliases": ("old.org",)}, {"federated": True}, {"aliases": ("old.org",), "federated": True})
        )
        theirs = "spiffe://other.org/ns/default/sa/web"
        assert all(re.fullmatch(_unescaped(one), theirs) for one in alone)
        for pattern in (*federated, *both):
            assert not re.fullmatch(_unescaped(pattern), theirs)
            assert re.fullmatch(_unescaped(pattern), "spiffe://example.org/ns/default/sa/web")
            assert not re.fullmatch(_unescaped(pattern), "spiffe://exampleXorg/ns/default/sa/web")
        assert re.fullmatch(_unescaped(both[0]), "spiffe://old.org/ns/default/sa/web")


def _unescaped(text: str) -> str:
    return text.replace("\\\\", "\\")


def test_a_listener_knows_workloads_of_every_trust_domain_of_the_mesh() -> None:
    """Its own, its aliases and the federated ones: which roots are for which is the secret's to say."""
    federated = {"other.org": Ref("mesh.weft.dev", "TrustDomain", "", "other.org")}
    of = replace(mesh(), settings=Settings("new.org", trust_domain_aliases=("old.org",)), federated=federated)
    served = InboundPort("http", 80, "http", Address("127.0.0.1", 20080), Address("127.0.0.1", 80))
    told = str([listener.body for listener in snapshot(of, proxy(inbound=(served,)), Cache()).listeners()])
    assert re.findall(r"spiffe://([a-z.]+)/(?!ns/)", told) == ["new.org", "old.org", "other.org"]


def test_a_port_is_decided_before_there_is_a_request() -> None:
    """A rule for another port is left out; one for this port, by either of its numbers, asks no more of the port."""
    for port in ("8080", "20001"):
        said = made(Rule(operations=((Condition(model.PORT, (port,)), GETS),)))
        assert said is not None and "8080" not in str(said)
    other = made(Rule(operations=((Condition(model.PORT, ("1",)),),)))
    assert other is not None and not other.policies
    assert made(Rule(when=(Condition(model.PORT, (), ("8080",)),)), action=Action.DENY) is None


def test_bytes_that_are_not_read() -> None:
    """A rule that allows by method allows nothing; one that denies by method and caller denies the caller whatever it asks."""
    rule = Rule(sources=((WEB,),), operations=((GETS,),))
    allowed = made(rule, of=TCP)
    assert allowed is not None and not allowed.policies
    denied = made(rule, action=Action.DENY, of=TCP)
    assert denied is not None
    (only,) = denied.policies.values()
    assert only.permissions[0].any and not only.principals[0].any


def test_values_and_their_negation() -> None:
    """Any of the values as it is written, and none of the others in whatever spelling; as they are written, where the mesh says
    how paths are normalized."""
    rule = Rule(operations=((Condition(model.PATH, ("/a*",), ("/a/b",)),),))
    for literal in (False, True):
        said = made(rule, of=replace(HTTP, literal=literal))
        assert said is not None
        wanted, unwanted = said.policies["ns[default]-policy[p]-rule[0]"].permissions[0].and_rules.rules
        (one,), (other,) = wanted.or_rules.rules, unwanted.not_rule.or_rules.rules
        assert (one if literal else one.and_rules.rules[0]).url_path.path.prefix == "/a"
        assert other.url_path.path.exact == ("/a/b" if literal else "")


def test_hosts_are_compared_without_case_and_with_any_port() -> None:
    """A denial of a host is not escaped by writing its port; a port that is written is meant."""
    for value, said, fits in (
        ("a.b", "A.B:8080", True),
        ("a.b", "a.bc", False),
        ("a.b", "axb", False),
        ("*.b", "x.b:1", True),
        ("a.*", "a.anything:7", True),
        ("a.b:80", "a.b:80", True),
        ("a.b:80", "a.b:81", False),
        ("*", "x", True),
    ):
        assert bool(re.fullmatch(host_match(value)["safe_regex"]["regex"], said)) is fits, (value, said)


def test_texts() -> None:
    """Exact, a beginning, an end, or anything that is there."""
    assert [text(one) for one in ("a", "a*", "*a")] == [{"exact": "a"}, {"prefix": "a"}, {"suffix": "a"}]
    assert text("*") == {"safe_regex": {"regex": ".+"}}


def test_a_policy_is_told_in_the_routes_and_not_in_the_listener() -> None:
    """A changed listener leaves open connections as they were; a changed route configuration holds for their next request."""
    bare = mesh()
    guarded = replace(bare, guards={"default": (policy(Rule(sources=((WEB,),))),)})
    before, after = (snapshot(one, proxy(), Cache()) for one in (bare, guarded))
    assert before.listeners() == after.listeners()
    routes = [one.route_configuration("inbound|8080||") for one in (before, after)]
    said = [RouteConfiguration.FromString(one.body).typed_per_filter_config for one in routes if one]
    assert [set(one) for one in said] == [set(), {"envoy.filters.http.rbac", "weft.allowing"}]
    assert routes[1] and [one.name for one in routes[1].origins] == ["p"]


def test_for_whom_a_policy_is() -> None:
    """For its namespace or, from the root namespace, for all; for those with the labels; for the Gateways it is attached to."""

    def fits(where: str, *labels: tuple[str, str], **said: object) -> bool:
        one = replace(policy(), **said)  # type: ignore[arg-type]
        return is_for(one, where, labels, frozenset(("default/edge",)), "istio-system")

    assert fits("default") and not fits("other") and fits("other", namespace="istio-system")
    assert fits("default", ("app", "a"), selector=(("app", "a"),)) and not fits("default", selector=(("app", "a"),))
    assert fits("other", gateways=("edge",)) and not fits("default", gateways=("inner",))
