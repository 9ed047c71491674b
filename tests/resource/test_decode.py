"""Reading raw mappings: everything that is wrong is found at once, and nothing is ever raised."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.finding import Severity
from weft.resource import schema
from weft.resource.decode import Decoded, decode
from weft.resource.istio.virtual_service import StringMatch, VirtualService
from weft.resource.kinds import KINDS
from weft.resource.yaml_document import documents

MANIFESTS = sorted((Path(__file__).parents[1] / "manifests").glob("*.yaml"))


def decoded(text: str) -> Decoded:
    return decode(yaml.safe_load(text))


def said(text: str) -> dict[str, tuple[str, str]]:
    """Path -> code and hint of every finding."""
    return {found.ref.field: (found.code, found.hint) for found in decoded(text).findings}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_real_manifests_are_accepted(path: Path) -> None:
    """The manifests of the issue are read without an error, exactly as they stand."""
    found, problems = documents(path.read_text(), path.name)
    assert found
    assert not problems
    for document in found:
        result = decode(document.raw)
        assert result.resource is not None, result.findings


def test_a_deprecated_balancer_is_named_with_its_successor() -> None:
    """LEAST_CONN is accepted, and said to be called LEAST_REQUEST."""
    text = next(path for path in MANIFESTS if "least-conn" in path.name).read_text()
    (found,) = decoded(text).findings
    assert (found.code, found.severity, found.hint) == ("deprecated-value", Severity.WARNING, "write LEAST_REQUEST")
    assert found.ref.field == "spec.trafficPolicy.loadBalancer.simple"


ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop, labels: {app: reviews}}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /a}, queryParams: {user: {exact: me}}, ignoreUriCase: true}]
    route:
    - destination: {host: reviews, subset: v1, port: {number: 9080}}
status: {anything: [at, all]}
"""


def test_a_resource_is_typed() -> None:
    """Fields are attributes in snake_case, lists are tuples, and what is absent has its default."""
    resource = decoded(ROUTE).resource
    assert resource is not None
    assert isinstance(resource.spec, VirtualService)
    (rule,) = resource.spec.http
    assert rule.match[0].query_params == {"user": StringMatch(exact="me")}
    assert rule.match[0].ignore_uri_case
    assert rule.route[0].weight is None
    assert rule.timeout is None
    assert (resource.meta.namespace, resource.meta.labels["app"]) == ("shop", "reviews")
    assert resource.status == {"anything": ["at", "all"]}
    assert str(resource.ref) == "VirtualService shop/reviews"


def test_a_resource_without_a_namespace_is_in_default() -> None:
    """As with kubectl; kinds without a namespace have none."""
    resource = decoded(ROUTE.replace(", namespace: shop", "")).resource
    assert resource is not None
    assert resource.meta.namespace == "default"
    namespace = decode({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "namespace": "x"}}).resource
    assert namespace is not None
    assert namespace.meta.namespace == ""


def test_every_problem_is_found_in_one_pass() -> None:
    """Unknown fields, wrong types, missing fields and bad values, each at its own path with its own hint."""
    found = said(
        """
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: a, labels: {version: 1}, nmae: b}
        spec:
          hosts: a
          gateways: [mesh]
          http:
          - timeout: 5
            hosts: [b]
            match: {uri: {prefix: /}}
            route:
            - destination: {host: a, port: 80}
              wieght: 50
              number: 5
            - destination: {host: "a"}
              weight: "50"
            - weight: yes
            corsPolicy: {allow_origins: [], maxAge: 1 hour}
            mirror: {host: a, port: {number: 70000}}
          apiVersion: v1
        """
    )
    assert found["metadata.labels.version"] == ("wrong-type", 'put it in quotes: "1"')
    assert found["metadata.nmae"] == ("unknown-metadata", "did you mean name?")
    assert found["spec.hosts"][0] == "wrong-type"
    assert found["spec.http[0].hosts"] == ("unknown-field", "hosts is a field of spec: check the indentation")
    assert found["spec.http[0].timeout"] == ("wrong-type", "write 5s")
    assert found["spec.http[0].match"] == ("wrong-type", "begin each element with a dash: - ...")
    assert found["spec.http[0].route[0].destination.port"] == ("wrong-type", "write {number: 80}")
    assert found["spec.http[0].route[0].wieght"] == ("unknown-field", "did you mean weight?")
    assert found["spec.http[0].route[0].number"] == ("unknown-field", "fields here: destination, weight, headers")
    assert found["spec.http[0].route[1].weight"] == ("wrong-type", "remove the quotes: 50")
    assert found["spec.http[0].route[2].destination"] == ("missing-field", "")
    assert found["spec.http[0].route[2].weight"][0] == "wrong-type"
    assert found["spec.http[0].corsPolicy.allow_origins"] == ("unknown-field", "did you mean allowOrigins?")
    assert found["spec.http[0].corsPolicy.maxAge"][0] == "invalid-value"
    assert found["spec.http[0].mirror.port.number"][0] == "invalid-value"
    assert found["spec.apiVersion"] == ("unknown-field", "apiVersion is a field of the resource itself: check the indentation")
    assert "spec.http[0].route" not in found  # the sum of weights that could not be read says nothing


def test_an_error_does_not_hide_another_one_beside_it() -> None:
    """Weights are checked although a port of the same route could not be read."""
    found = said(ROUTE.replace("port: {number: 9080}}", "port: 9080}\n    - destination: {host: ratings}"))
    assert found["spec.http[0].route"][0] == "weight-sum"
    assert found["spec.http[0].route[0].destination.port"][0] == "wrong-type"


def test_a_field_one_level_too_high_is_sent_down() -> None:
    """A field of the only place below is named with that place."""
    text = "{apiVersion: v1, kind: Service, metadata: {name: a}, ports: [{port: 80}]}"
    assert said(text)["ports"] == ("unknown-field", "ports belongs under spec")
    text = """{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: a},
               spec: {servers: [{hosts: ["*"], number: 80, port: {name: http, protocol: HTTP}}]}}"""
    assert said(text)["spec.servers[0].number"] == ("unknown-field", "number belongs under spec.servers[0].port")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("match_labels", "did you mean matchLabels?"),
        ("MATCHLABELS", "did you mean matchLabels?"),
        ("matchLabel", "did you mean matchLabels?"),
        ("-matchLabels", "a space is needed after the dash: - matchLabels"),
        ("zzz", "fields here: matchLabels"),
    ],
)
def test_a_slip_of_the_pen_is_recognized(name: str, hint: str) -> None:
    """Case, underscores, a letter too few, a dash without a space."""
    raw = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "a"}}
    (found,) = decode({**raw, "spec": {"selector": {name: {"app": "a"}}}}).findings
    assert (found.code, found.hint) == ("unknown-field", hint)


@pytest.mark.parametrize(
    ("api_version", "kind", "hint"),
    [
        ("networking.istio.io/v1", "Virtualservice", "did you mean VirtualService (networking.istio.io/v1)?"),
        ("networking.istio.io/v1", "VirtualServce", "did you mean VirtualService (networking.istio.io/v1)?"),
        ("istio.io/v1beta1", "VirtualService", "write apiVersion: networking.istio.io/v1beta1"),
        ("security.istio.io/v1alpha1", "PeerAuthentication", "write apiVersion: security.istio.io/v1"),
        ("apps/v1", "Deployment", "workloads are processes here: declare them as services in weft.yaml"),
        ("security.istio.io/v1", "Telemetry", "a later release of weft will read it"),
    ],
)
def test_an_unknown_kind_is_explained(api_version: str, kind: str, hint: str) -> None:
    """A slip, a wrong version, a workload, or a kind of a later release."""
    (found,) = decode({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}}).findings
    assert (found.code, found.hint) == ("unknown-kind", hint)
    assert found.ref.kind == kind


@pytest.mark.parametrize("raw", [None, 5, "text", [], {}, {"kind": "Service"}, {"apiVersion": [], "kind": {}}, {1: 2}])
def test_what_is_no_resource_is_refused(raw: object) -> None:
    """Each answers with an error instead of raising."""
    result = decode(raw)
    assert result.resource is None
    assert result.findings


def test_a_field_that_has_no_effect_is_said_once() -> None:
    """A warning, or a word where nothing is missing; the resource is taken, and a value that asks for nothing not mentioned."""
    result = decoded(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: a}
        spec:
          sessionAffinity: None
          internalTrafficPolicy: Local
          externalTrafficPolicy: Local
          externalIPs: [10.0.0.1]
          ports: [{name: http, port: 80}]
        """
    )
    assert result.resource is not None
    assert [(found.code, found.severity, found.ref.field) for found in result.findings] == [
        ("unsupported-field", Severity.WARNING, "spec.internalTrafficPolicy"),
        ("ignored-field", Severity.INFO, "spec.externalIPs"),
        ("ignored-field", Severity.INFO, "spec.externalTrafficPolicy"),
    ]


def test_null_is_absence() -> None:
    """As in the Kubernetes API, also for a whole spec; a null element of a list is a mistake."""
    raw = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "a", "labels": None}}
    assert decode({**raw, "spec": None}).resource is not None
    assert decode({**raw, "spec": {"mtls": None}}).resource is not None
    entry = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "a"}}
    assert "spec.hosts[0]" in {found.ref.field for found in decode({**entry, "spec": {"hosts": [None]}}).findings}
    assert "spec" in {found.ref.field for found in decode(entry).findings}


def test_data_stands_beside_metadata() -> None:
    """A Secret and a ConfigMap have no spec."""
    good = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a"},
        "data": {"tls.crt": "aGk="},
        "type": "kubernetes.io/tls",
    }
    assert decode(good).resource is not None
    (found,) = decode({**good, "data": {"tls.crt": "not base64!"}}).findings
    assert (found.code, found.ref.field) == ("invalid-value", "data[tls.crt]")
    (found,) = decode({**good, "spec": {}}).findings
    assert (found.code, found.ref.field) == ("unknown-field", "spec")


def test_findings_come_in_the_same_order_each_time() -> None:
    """Errors first, then in the order of the fields, whatever the order of the keys."""
    one = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "A"}, "spec": {"x": 1, "y": 2, "ports": 5}, "z": 0}
    two = {name: one[name] for name in reversed(one)}
    assert decode(one).findings == decode(two).findings


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_any_json_gets_an_answer(raw: Any) -> None:
    """decode never raises."""
    assert isinstance(decode(raw), Decoded)


def _like(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """JSON of the schema's shape, some of it replaced by other JSON."""
    match schema:
        case {"enum": [*words]}:
            shaped: st.SearchStrategy[Any] = st.sampled_from(words)
        case {"type": "object", "properties": dict(fields)}:
            shaped = st.fixed_dictionaries(
                {}, optional={name: st.deferred(lambda of=of: _like(of)) for name, of in fields.items()}
            )
        case {"type": "object", "additionalProperties": dict(of)}:
            shaped = st.dictionaries(st.text("ab/.-*8", max_size=5), _like(of), max_size=2)
        case {"type": "array", "items": dict(of)}:
            shaped = st.lists(_like(of), max_size=2)
        case {"type": "integer"} | {"type": "number"}:
            shaped = st.integers(-1, 101) | st.floats(allow_nan=True)
        case {"type": "boolean"}:
            shaped = st.booleans()
        case {"type": "string"}:
            shaped = st.sampled_from(["", "a", "*", "*.a.b", "5s", "a/b", "10.0.0.1", "unix:///x", "(", "🙂", "A_b", ":x", "7"])
        case _:
            shaped = JSON
    return shaped | JSON if schema.get("type") in ("string", "integer") else shaped


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_anything_like_a_kind_gets_an_answer(kind: Any) -> None:
    """Reading and validating never raise on what looks like the kind, and a resource comes only without an error."""

    shape = schema.resource(kind, kind.versions[0])["properties"]
    fields = {name: _like(of) for name, of in shape.items() if name not in ("apiVersion", "kind", "metadata")}

    @settings(max_examples=40, deadline=None)
    @given(st.fixed_dictionaries({}, optional=fields))
    def check(body: dict[str, Any]) -> None:
        result = decode({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "a"}, **body})
        failed = any(found.severity is Severity.ERROR for found in result.findings)
        assert (result.resource is None) == failed

    check()
