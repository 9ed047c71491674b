"""Rules, replayed: one host for each, all on one pair of sidecars. What a rule says is what a request meets."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from stage import Answer, Application, Stage, stage

from weft.model.endpoint import Endpoint
from weft.model.route import (
    Action,
    Cors,
    Destination,
    DirectResponse,
    Exact,
    Fault,
    Forward,
    HeaderEdit,
    HttpMatch,
    HttpRoute,
    Mirror,
    NamedMatch,
    PathPrefix,
    Prefix,
    Present,
    Redirect,
    Regex,
    Retries,
    Rewrite,
    RouteSet,
    WeightedDestination,
)
from weft.model.service import Location
from weft.model.traffic import (
    Balancer,
    ConnectionPool,
    ConsistentHash,
    HashOnCookie,
    HashOnHeader,
    HashOnQuery,
    HashOnSourceIp,
    LoadBalancing,
    OutlierDetection,
    PortPolicy,
    ServicePolicy,
    Subset,
    TrafficPolicy,
    Warmup,
)
from weft.ref import Ref

WEB = "default/web-0"
REVIEWS = "reviews.default.svc.cluster.local"
MIRRORED = "mirrored.default.svc.cluster.local"
FLAKY = "flaky.default.svc.cluster.local"
HASHED = "hashed.default.svc.cluster.local"
MIXED = "mixed.default.svc.cluster.local"


def _to(subset: str = "", weight: int = 1, host: str = REVIEWS, **edits: HeaderEdit) -> WeightedDestination:
    return WeightedDestination(Destination(host, subset, 9080), weight, **edits)


def _rule(*matches: HttpMatch, to: Action | None = None, **said: object) -> HttpRoute:
    return HttpRoute(to or Forward((_to("v1"),)), Ref("", "VirtualService", "default", "x", "spec.http[0]"), "", matches, **said)  # type: ignore[arg-type]


V2 = Forward((_to("v2"),))
RULES: dict[str, tuple[HttpRoute, ...]] = {
    "by-header": (_rule(HttpMatch(headers=(NamedMatch("user", Exact("jason")),)), to=V2), _rule()),
    "by-present": (_rule(HttpMatch(headers=(NamedMatch("user", Present()),)), to=V2), _rule()),
    "by-regex": (_rule(HttpMatch(headers=(NamedMatch("user", Regex("j.*n")),)), to=V2), _rule()),
    "without-header": (_rule(HttpMatch(headers=(NamedMatch("user", Exact("jason"), invert=True),)), to=V2), _rule()),
    "by-method": (_rule(HttpMatch(method=Exact("POST")), to=V2), _rule()),
    "by-query": (_rule(HttpMatch(query_params=(NamedMatch("debug", Exact("true")),)), to=V2), _rule()),
    "by-authority": (_rule(HttpMatch(authority=Prefix("by-authority.default")), to=V2), _rule()),
    "ignore-case": (_rule(HttpMatch(path=Prefix("/API"), ignore_path_case=True), to=V2), _rule()),
    "by-path": (
        _rule(HttpMatch(path=Exact("/exact")), to=V2),
        _rule(HttpMatch(path=PathPrefix("/whole")), to=V2),
        _rule(HttpMatch(path=Regex("/r[0-9]+")), to=V2),
        _rule(),
    ),
    "no-rule": (_rule(HttpMatch(path=Exact("/only"))),),
    "for-others": (_rule(HttpMatch(source_labels=(("app", "other"),)), to=V2), _rule(HttpMatch(port=9999), to=V2), _rule()),
    "split": (_rule(to=Forward((_to("v1", 80), _to("v2", 20)))),),
    "edited-split": (_rule(to=Forward((_to("v1", 1, request_headers=HeaderEdit(set=(("x-to", "v1"),))), _to("v2", 0)))),),
    "prefix-rewrite": (_rule(HttpMatch(path=Prefix("/old")), rewrite=Rewrite(prefix="/new")),),
    "segment-rewrite": (_rule(HttpMatch(path=PathPrefix("/old")), rewrite=Rewrite(prefix="/")),),
    "path-rewrite": (_rule(rewrite=Rewrite(path="/fixed")),),
    "regex-rewrite": (_rule(rewrite=Rewrite(regex=("^/a/([0-9]+)$", "/b/\\1/c"))),),
    "authority-rewrite": (_rule(rewrite=Rewrite(authority="else.where")),),
    "host-set": (_rule(request_headers=HeaderEdit(set=(("Host", "by.header"),))),),
    "redirect": (_rule(to=Redirect(scheme="https", authority="a.b", path="/there", code=308)),),
    "direct": (_rule(to=DirectResponse(418, b"x" * 5000, "text/tea")),),
    "headers": (
        _rule(
            request_headers=HeaderEdit((("x-set", "100%"),), (("x-add", "2"),), ("x-gone",)),
            response_headers=HeaderEdit((("x-answer", "a"),), (), ("server",)),
        ),
    ),
    "timeout": (_rule(timeout=0.2),),
    "delay": (_rule(fault=Fault(delay=0.3)),),
    "abort": (_rule(fault=Fault(abort_status=555)),),
    "half-abort": (_rule(fault=Fault(abort_status=503, abort_percent=50)),),
    "mirror": (_rule(mirrors=(Mirror(Destination(MIRRORED, "", 9080)),)),),
    "cors": (_rule(cors=Cors((Exact("https://a.b"),), ("GET", "PUT"), ("x-y",), max_age=60.0, allow_credentials=True)),),
    "retried": (_rule(to=Forward((_to(host=FLAKY),)), retries=Retries(2, ("5xx",))),),
    "not-retried": (_rule(to=Forward((_to(host=FLAKY),))),),
    "lost-subset": (_rule(to=Forward((_to("v9"),))),),
    "lost-host": (_rule(to=Forward((_to(host="gone.default.svc.cluster.local"),))),),
    "half-lost": (_rule(to=Forward((_to("v1"), _to("v9")))),),
}


@dataclass
class Played:
    """The stage and its applications."""

    stage: Stage
    applications: dict[str, Application]

    def call(self, host: str, path: str = "/", **said: object) -> Answer:
        """A call to the host of a rule."""
        return self.stage.call(WEB, f"http://{host}:9080{path}", **said)  # type: ignore[arg-type]

    def version(self, host: str, path: str = "/", **said: object) -> str:
        """Who answered it."""
        return str(self.call(host, path, **said).said["instance"])


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """web calls reviews in two versions and hosts that only rules know."""
    with stage(Path(tmp_path_factory.mktemp("s"))) as made:
        apps = {name: Application(name) for name in ("v1", "v2", "mirrored", "flaky", "bare")}
        proxies = {
            name: made.workload(f"default/{name}-0", apps[name].port, labels={"version": name}, service_account=name)
            for name in ("v1", "v2", "mirrored", "flaky")
        }
        made.service(REVIEWS, proxies["v1"], proxies["v2"])
        made.service(MIRRORED, proxies["mirrored"])
        made.service(FLAKY, proxies["flaky"])
        made.service(HASHED, proxies["v1"], proxies["v2"])
        bare = Endpoint("127.0.0.1", apps["bare"].port, "http", weight=3)
        made.service(MIXED, proxies["v1"], more=(bare,))
        made.service("outside.com", more=(replace(bare, weight=1),), location=Location.EXTERNAL)
        made.mesh = replace(made.mesh, routes=_routes(), policies=_policies())
        made.workload(WEB, service_account="web")
        made.start(WEB, *(f"default/{name}-0" for name in proxies))
        yield Played(made, apps)
        assert made.rejections() == []


def _routes() -> dict[str, tuple[RouteSet, ...]]:
    hosts = {f"{name}.default.svc.cluster.local": rules for name, rules in RULES.items()}
    return {
        host: (RouteSet((host,), "default", Ref("", "VirtualService", "default", "x"), http=http),)
        for host, http in hosts.items()
    }


def _policies() -> dict[str, tuple[ServicePolicy, ...]]:
    everything = PortPolicy(
        LoadBalancing(Balancer.ROUND_ROBIN, warmup=Warmup(1.0)),
        ConnectionPool(100, 1.0, None, 60.0, 100, 100, 10, 5, 30.0, 50),
        OutlierDetection(5, 3, 2, True, 1.0, 1.0, 50, 0),
    )
    subsets = tuple(Subset(name, (("version", name),), TrafficPolicy(everything)) for name in ("v1", "v2", "v9"))
    rules = Ref("", "DestinationRule", "default", "reviews")
    hashed = PortPolicy(LoadBalancing(ConsistentHash(HashOnHeader("user"))))
    return {
        REVIEWS: (ServicePolicy(REVIEWS, "default", rules, subsets=subsets[:2]),),
        HASHED: (ServicePolicy(HASHED, "default", rules, TrafficPolicy(hashed)),),
    }


def test_a_header_decides(played: Played) -> None:
    """A header's exact value chooses the rule; without it the next one applies."""
    assert played.version("by-header", headers={"user": "jason"}) == "v2"
    assert played.version("by-header", headers={"user": "jasonx"}) == "v1"
    assert played.version("by-header") == "v1"


def test_a_header_is_there_or_fits_a_pattern(played: Played) -> None:
    """Presence alone, and a regular expression over the whole value, choose too."""
    assert played.version("by-present", headers={"user": ""}) == "v2"
    assert played.version("by-present") == "v1"
    assert played.version("by-regex", headers={"user": "jason"}) == "v2"
    assert played.version("by-regex", headers={"user": "ajason"}) == "v1"


def test_without_a_header_means_absent_or_another_value(played: Played) -> None:
    """An inverted match holds when the header is absent and when its value differs."""
    assert played.version("without-header") == "v2"
    assert played.version("without-header", headers={"user": "x"}) == "v2"
    assert played.version("without-header", headers={"user": "jason"}) == "v1"


def test_method_query_and_authority_decide(played: Played) -> None:
    """Method, query parameter and authority choose the rule."""
    assert played.version("by-method", method="POST", body="x") == "v2"
    assert played.version("by-query", "/?a=1&debug=true") == "v2"
    assert played.version("by-query", "/?debug=truer") == "v1"
    assert played.version("by-authority") == "v1"
    assert played.stage.call(WEB, "http://by-authority.default:9080/").said["instance"] == "v2"


def test_paths_decide(played: Played) -> None:
    """Exact paths, whole segments and regular expressions over the whole path choose the rule."""
    assert [played.version("by-path", path) for path in ("/exact", "/exact?q", "/whole", "/whole/x", "/r12")] == ["v2"] * 5
    assert [played.version("by-path", path) for path in ("/exactly", "/wholesome", "/r12x", "/")] == ["v1"] * 4
    assert played.version("ignore-case", "/api/x") == "v2"


def test_no_rule_is_said(played: Played) -> None:
    """A request that no rule matches gets a 404 that names the resource."""
    got = played.call("no-rule", "/other")
    assert (got.status, "VirtualService default/x" in got.text) == (404, True)


def test_a_rule_for_others_does_not_apply(played: Played) -> None:
    """Rules for other workloads or other ports are not there for this caller."""
    assert played.version("for-others") == "v1"


def test_a_split_is_kept(played: Played) -> None:
    """Of 500 requests about 80% go to the first and 20% to the second."""
    got = Counter(played.version("split") for _ in range(500))
    assert 350 < got["v1"] < 450  # five standard deviations
    assert got["v1"] + got["v2"] == 500


def test_a_destinations_own_headers_are_set(played: Played) -> None:
    """Headers of one destination are set there, and a weight of zero gets nothing."""
    assert played.call("edited-split").said["headers"]["x-to"] == "v1"


@pytest.mark.parametrize(
    ("host", "path", "seen"),
    [
        ("prefix-rewrite", "/old/x?q=1", "/new/x?q=1"),
        ("segment-rewrite", "/old/x", "/x"),
        ("segment-rewrite", "/old", "/"),
        ("path-rewrite", "/a/b?q=1", "/fixed?q=1"),
        ("regex-rewrite", "/a/42", "/b/42/c"),
    ],
)
def test_paths_are_rewritten(played: Played, host: str, path: str, seen: str) -> None:
    """Prefix, whole path and pattern are replaced; the query stays."""
    assert played.call(host, path).said["path"] == seen


def test_the_host_is_rewritten(played: Played) -> None:
    """The authority is replaced by a rewrite and by a header edit that names Host."""
    assert played.call("authority-rewrite").said["host"] == "else.where"
    assert played.call("host-set").said["host"] == "by.header"


def test_a_redirect_is_answered(played: Played) -> None:
    """A redirect keeps its code, scheme, host and path."""
    got = played.call("redirect")
    assert (got.status, got.headers["location"].replace(":9080", "")) == (308, "https://a.b/there")


def test_a_direct_response_is_answered(played: Played) -> None:
    """A fixed answer may be longer than Envoy's 4 KiB default, and has its content type."""
    got = played.call("direct")
    assert (got.status, len(got.text), got.headers["content-type"]) == (418, 5000, "text/tea")


def test_headers_are_edited(played: Played) -> None:
    """Request and response headers are set, added and removed; a percent sign is only a percent sign."""
    got = played.call("headers", headers={"x-gone": "1", "x-add": "1", "x-set": "0"})
    seen = got.said["headers"]
    assert (seen["x-set"], seen["x-add"], "x-gone" in seen) == ("100%", "1,2", False)
    assert (got.headers["x-answer"], "server" in got.headers) == ("a", False)


def test_a_timeout_ends_a_slow_request(played: Played) -> None:
    """A request that takes longer than the timeout gets a 504; without one it may take its time."""
    assert played.call("timeout", "/sleep/1").status == 504
    assert played.call("by-path", "/sleep/0.3").status == 200


def test_faults_happen(played: Played) -> None:
    """A delay delays, an abort aborts, half an abort about half the time."""
    begun = time.monotonic()
    assert played.call("delay").status == 200
    assert time.monotonic() - begun >= 0.3
    assert played.call("abort").status == 555
    aborted = Counter(played.call("half-abort").status for _ in range(100))
    assert 20 < aborted[503] < 80


def test_a_mirror_gets_a_copy(played: Played) -> None:
    """The mirrored service sees the request; the caller sees only the first service's answer."""
    assert played.version("mirror", "/copied") == "v1"
    assert played.stage.eventually(lambda: "/copied" in played.applications["mirrored"].requests)


def test_cors_is_answered(played: Played) -> None:
    """A preflight is answered by the sidecar, and an allowed origin is marked."""
    asked = {"origin": "https://a.b", "access-control-request-method": "PUT"}
    got = played.call("cors", method="OPTIONS", headers=asked)
    assert (got.status, got.headers["access-control-allow-methods"]) == (200, "GET,PUT")
    assert got.headers["access-control-max-age"] == "60"
    assert played.call("cors", headers={"origin": "https://a.b"}).headers["access-control-allow-origin"] == "https://a.b"
    assert "access-control-allow-origin" not in played.call("cors", headers={"origin": "https://evil"}).headers


def test_retries_are_as_written_and_safe_otherwise(played: Played) -> None:
    """With retries on 5xx two failures are hidden; with none written an application's own error is never tried again."""
    flaky = played.applications["flaky"]
    flaky.statuses[:] = [500, 500]
    assert played.call("retried").status == 200
    flaky.statuses[:] = [500]
    assert played.call("not-retried").status == 500


def test_a_destination_that_is_missing_is_named(played: Played) -> None:
    """A route to an unknown subset or host answers 503 and says which; half a route fails half the time."""
    assert "v9" in played.call("lost-subset").text
    assert "gone.default.svc.cluster.local" in played.call("lost-host").text
    got = Counter(played.call("half-lost").status for _ in range(60))
    assert set(got) == {200, 503}


def test_a_hash_keeps_a_key_at_one_endpoint(played: Played) -> None:
    """Under a consistent hash the same key always meets the same endpoint, and different keys meet both."""
    for user in "abc":
        assert len({played.version("hashed", headers={"user": user}) for _ in range(5)}) == 1
    assert {played.version("hashed", headers={"user": str(user)}) for user in range(30)} == {"v1", "v2"}


def test_a_service_half_in_the_mesh_is_split_by_weight(played: Played) -> None:
    """Endpoints with and without a sidecar share the traffic by their weights, one part in mTLS."""
    got = Counter(played.version("mixed") for _ in range(200))
    assert 115 < got["bare"] < 185  # three quarters, six standard deviations
    assert got["v1"] + got["bare"] == 200


HASH_KEYS = (HashOnCookie("c", 10.0, "/"), HashOnQuery("q"), HashOnSourceIp(), HashOnHeader("h"))


@pytest.mark.parametrize("table", [None, 65537])
@pytest.mark.parametrize("key", HASH_KEYS, ids=lambda key: type(key).__name__)
def test_every_hash_is_accepted(played: Played, key: object, table: int | None) -> None:
    """Envoy takes every kind of key, on a ring and in a Maglev table, and calls go on."""
    algorithm = ConsistentHash(key, maglev_table_size=table)  # type: ignore[arg-type]
    policy = ServicePolicy(HASHED, "default", Ref("", "D", "d", "h"), TrafficPolicy(PortPolicy(LoadBalancing(algorithm))))
    played.stage.publish(replace(played.stage.mesh, policies={**played.stage.mesh.policies, HASHED: (policy,)}))
    assert played.call("hashed").status == 200
    assert played.stage.rejections() == []


@pytest.mark.parametrize("balancer", list(Balancer))
def test_every_balancer_is_accepted(played: Played, balancer: Balancer) -> None:
    """Envoy takes every simple balancer, warming up or not."""
    policy = ServicePolicy(
        HASHED, "default", Ref("", "D", "d", "h"), TrafficPolicy(PortPolicy(LoadBalancing(balancer, warmup=Warmup(5.0))))
    )
    played.stage.publish(replace(played.stage.mesh, policies={**played.stage.mesh.policies, HASHED: (policy,)}))
    assert played.call("hashed").status == 200
    assert played.stage.rejections() == []
