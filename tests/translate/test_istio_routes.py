"""VirtualServices into rules."""

from weft.model.route import (
    NO_EDIT,
    Cors,
    Destination,
    DirectResponse,
    Exact,
    Fault,
    Forward,
    HeaderEdit,
    HttpMatch,
    HttpRoute,
    L4Match,
    Mirror,
    NamedMatch,
    Prefix,
    Present,
    Redirect,
    Regex,
    Retries,
    Rewrite,
    RouteSet,
    WeightedDestination,
)

from .written import istio, said

REVIEWS = "reviews.default.svc.cluster.local"


def _routes(spec: str, namespace: str = "default") -> RouteSet:
    found = said(istio("VirtualService", "vs", spec, namespace=namespace)).routes
    assert found
    return found


def _http(rule: str) -> HttpRoute:
    """The one HTTP rule, which forwards to reviews unless it says otherwise."""
    forward = (
        ""
        if any(word in rule for word in ("route:", "redirect:", "directResponse:"))
        else ", route: [{destination: {host: reviews}}]"
    )
    (found,) = _routes(f"{{hosts: [reviews], http: [{{{rule}{forward}}}]}}").http
    return found


def _match(match: str) -> HttpMatch:
    (found,) = _http(f"match: [{{{match}}}]").matches
    return found


def test_names_are_completed_with_the_namespace_of_the_virtual_service() -> None:
    """Hosts, destinations and gateways without a namespace are those of the VirtualService's."""
    found = _routes(
        "{hosts: [reviews, a.example], gateways: [gw, mesh, other/gw], exportTo: [.], "
        "http: [{route: [{destination: {host: ratings, subset: v1, port: {number: 80}}}]}]}",
        namespace="books",
    )
    assert found.hosts == ("reviews.books.svc.cluster.local", "a.example")
    assert found.gateways == ("books/gw", "mesh", "other/gw")
    assert found.export_to == ("books",)
    assert found.http[0].action == Forward((WeightedDestination(Destination("ratings.books.svc.cluster.local", "v1", 80)),))


def test_without_gateways_the_mesh_is_meant() -> None:
    """No gateway said is the gateway `mesh`, and no exportTo is everyone."""
    found = _routes("{hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}")
    assert (found.gateways, found.export_to) == (("mesh",), ("*",))


def test_every_rule_knows_where_it_was_written() -> None:
    """The origin of a rule is its field path."""
    found = _http("name: first")
    assert (found.name, str(found.origin)) == ("first", "VirtualService default/vs spec.http[0]")


def test_weights_are_kept_and_none_is_zero() -> None:
    """Of several destinations each has its weight; one alone has everything."""
    found = _http("route: [{destination: {host: a}, weight: 80}, {destination: {host: b}, weight: 20}]").action
    assert isinstance(found, Forward)
    assert [one.weight for one in found.destinations] == [80, 20]
    alone = _http("route: [{destination: {host: a}}]").action
    assert isinstance(alone, Forward)
    assert alone.destinations[0].weight == 1


def test_the_path_is_matched_exactly_by_prefix_or_by_regex() -> None:
    """The three forms of a StringMatch on uri."""
    assert _match("uri: {exact: /a}, ignoreUriCase: true") == HttpMatch(path=Exact("/a"), ignore_path_case=True)
    assert _match("uri: {prefix: /a}").path == Prefix("/a")
    assert _match("uri: {regex: '/a.*'}").path == Regex("/a.*")


def test_all_other_conditions_are_kept() -> None:
    """Method, authority, scheme, port, gateways, source labels and namespace."""
    found = _match(
        "method: {exact: GET}, authority: {prefix: a.}, scheme: {exact: https}, port: 80, gateways: [gw], "
        "sourceLabels: {app: web}, sourceNamespace: n"
    )
    assert found == HttpMatch(
        method=Exact("GET"),
        authority=Prefix("a."),
        scheme=Exact("https"),
        port=80,
        gateways=("default/gw",),
        source_labels=(("app", "web"),),
        source_namespace="n",
    )


def test_headers_and_query_parameters_are_compared_or_only_there() -> None:
    """An empty match asks for presence; withoutHeaders must not match."""
    found = _match("headers: {b: {exact: x}, a: {}}, withoutHeaders: {c: {prefix: y}}, queryParams: {q: {regex: '[0-9]'}}")
    assert found.headers == (
        NamedMatch("a", Present()),
        NamedMatch("b", Exact("x")),
        NamedMatch("c", Prefix("y"), invert=True),
    )
    assert found.query_params == (NamedMatch("q", Regex("[0-9]")),)


def test_a_rewrite_replaces_the_prefix_only_where_one_is_matched() -> None:
    """rewrite.uri stands for the prefix when a match is by prefix, and for the whole path when none is."""
    assert _http("match: [{uri: {prefix: /a}}], rewrite: {uri: /b, authority: c}").rewrite == Rewrite(prefix="/b", authority="c")
    assert _http("match: [{uri: {exact: /a}}], rewrite: {uri: /b}").rewrite == Rewrite(path="/b")
    assert _http("rewrite: {uri: /b}").rewrite == Rewrite(prefix="/b")
    found = _http("match: [{uri: {prefix: /a}}], rewrite: {uriRegexRewrite: {match: 'a(.)', rewrite: 'b\\1'}}").rewrite
    assert found == Rewrite(regex=("a(.)", "b\\1"))


def test_a_redirect_replaces_what_it_names() -> None:
    """Path, authority, scheme, port and code; 301 when no code is said."""
    found = _http("redirect: {uri: /new, authority: a.example, scheme: https, port: 8443, redirectCode: 308}").action
    assert found == Redirect("https", "a.example", 8443, path="/new", code=308)
    assert _http("redirect: {authority: b}").action == Redirect(authority="b")
    assert _http("match: [{uri: {prefix: /a}}], redirect: {uri: '%PREFIX()%/b'}").action == Redirect(prefix="/b")


def test_a_direct_response_has_text_or_bytes() -> None:
    """The body is text, or base64 for what is not."""
    assert _http("directResponse: {status: 503, body: {string: gone}}").action == DirectResponse(503, b"gone")
    assert _http("directResponse: {status: 200, body: {bytes: AAE=}}").action == DirectResponse(200, b"\0\1")
    assert _http("directResponse: {status: 204}").action == DirectResponse(204)


def test_headers_are_changed_of_the_rule_and_of_the_destination() -> None:
    """Both have request and response edits of their own."""
    found = _http(
        "headers: {request: {set: {b: '1', a: '2'}, add: {c: '3'}, remove: [d]}}, "
        "route: [{destination: {host: a}, headers: {response: {remove: [e]}}}]"
    )
    assert found.request_headers == HeaderEdit((("a", "2"), ("b", "1")), (("c", "3"),), ("d",))
    assert found.response_headers == NO_EDIT
    assert isinstance(found.action, Forward)
    assert found.action.destinations[0].response_headers == HeaderEdit(remove=("e",))


def test_a_timeout_of_zero_is_not_the_default() -> None:
    """Nothing said is the mesh's default, 0s no timeout."""
    assert (_http("name: a").timeout, _http("timeout: 0s").timeout, _http("timeout: 1.5s").timeout) == (None, 0.0, 1.5)


def test_retries_are_split_at_commas() -> None:
    """retryOn is a list of Envoy's names and of status codes."""
    found = _http("retries: {attempts: 3, perTryTimeout: 2s, retryOn: 'gateway-error, connect-failure,503'}").retries
    assert found == Retries(3, ("gateway-error", "connect-failure", "503"), 2.0)
    other = _http("retries: {attempts: 1, retryIgnorePreviousHosts: false, retryRemoteLocalities: true, backoff: 10ms}").retries
    usual = ("connect-failure", "refused-stream", "unavailable", "cancelled")
    assert other == Retries(1, usual, None, 0.01, ignore_previous_hosts=False, retry_remote_localities=True)
    assert _http("retries: {attempts: 0}").retries == Retries(0, usual)
    assert _http("name: a").retries is None


def test_a_fault_is_for_nobody_unless_a_percentage_is_said() -> None:
    """Delay and abort have percentages of their own, of which none is written is 0; a gRPC status has a name or a number."""
    found = _http("fault: {delay: {fixedDelay: 5s, percentage: {value: 0.1}}, abort: {httpStatus: 503}}").fault
    assert found == Fault(5.0, 0.1, abort_percent=0)
    assert _http("fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 0}}}").fault is None
    assert _http("fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 7}}}").fault == Fault(
        delay_percent=0, abort_grpc=14, abort_percent=7
    )
    assert _http("fault: {delay: {fixedDelay: 1s, percent: 10}}").fault == Fault(1.0, 10.0, abort_percent=0)


def test_copies_go_to_all_mirrors() -> None:
    """mirror, its percentage in both forms, and mirrors."""
    assert _http("mirror: {host: reviews, subset: v2}").mirrors == (Mirror(Destination(REVIEWS, "v2")),)
    assert _http("mirror: {host: reviews}, mirrorPercentage: {value: 5}").mirrors == (Mirror(Destination(REVIEWS), 5.0),)
    assert _http("mirror: {host: reviews}, mirrorPercent: 7").mirrors == (Mirror(Destination(REVIEWS), 7.0),)
    assert _http("mirrors: [{destination: {host: reviews}, percentage: {value: 1}}]").mirrors == (
        Mirror(Destination(REVIEWS), 1.0),
    )


def test_cors_has_matches_for_origins() -> None:
    """allowOrigins are matches; the older allowOrigin are exact."""
    found = _http("corsPolicy: {allowOrigins: [{regex: '.*'}], allowMethods: [GET], maxAge: 24h, allowCredentials: true}").cors
    assert found == Cors((Regex(".*"),), ("GET",), max_age=86400.0, allow_credentials=True)
    assert _http("corsPolicy: {allowOrigin: ['*']}").cors == Cors((Exact("*"),))


def test_connections_are_matched_by_port_and_name() -> None:
    """TCP rules match ports and sources, TLS rules the server name as well."""
    found = _routes(
        "{hosts: [db], tcp: [{match: [{port: 5432, gateways: [gw]}], route: [{destination: {host: db, subset: a}}]}], "
        "tls: [{match: [{port: 443, sniHosts: [db]}], route: [{destination: {host: db}}]}]}"
    )
    assert found.tcp[0].matches == (L4Match(port=5432, gateways=("default/gw",)),)
    assert found.tcp[0].destinations[0].destination == Destination("db.default.svc.cluster.local", "a")
    assert found.tls[0].matches == (L4Match(sni_hosts=("db",), port=443),)
    assert str(found.tls[0].origin) == "VirtualService default/vs spec.tls[0]"


def test_every_destination_and_gateway_is_a_reference() -> None:
    """Destinations of routes and mirrors are known by their field, gateways by where they are named first."""
    found = said(
        istio(
            "VirtualService",
            "vs",
            "{hosts: [a], gateways: [gw], http: [{match: [{gateways: [gw, two]}], route: [{destination: {host: a}}], "
            "mirror: {host: b}}], tls: [{match: [{sniHosts: [a]}], route: [{destination: {host: c}}]}]}",
        )
    )
    assert [one.origin.field for one in found.references] == [
        "spec.http[0].route[0].destination",
        "spec.http[0].mirror",
        "spec.tls[0].route[0].destination",
    ]
    assert [(gateway, at.field) for gateway, at in found.gateways] == [
        ("default/gw", "spec.gateways[0]"),
        ("default/two", "spec.http[0].match[0].gateways[1]"),
    ]
