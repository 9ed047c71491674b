"""Users stay in their part of a split while weights stay, and only those move who must when a part grows."""

from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest
from stage import Application, Stage, stage

from weft.model.route import Destination, Forward, HttpRoute, RouteSet, WeightedDestination
from weft.model.traffic import HashKey, HashOnCaller, HashOnCookie, HashOnHeader
from weft.ref import Ref

WEB, BATCH, HOST = "default/web-0", "default/batch-0", "shop.example.com"
USERS = 1000


def _split(made: Stage, key: HashKey, *weights: int) -> None:
    """Publishes a split between old and new, by `key`."""
    ref = Ref("networking.istio.io", "VirtualService", "default", "shop")
    names = ("old", "new", "newest")
    parts = tuple(
        WeightedDestination(Destination(f"{name}.default.svc.cluster.local"), weight)
        for name, weight in zip(names, weights, strict=False)
    )
    rules = RouteSet((HOST,), "default", ref, http=(HttpRoute(Forward(parts), ref, sticky=key),))
    made.publish(replace(made.mesh, routes={HOST: (rules,)}))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two callers, and three versions with sidecars."""
    with stage(Path(tmp_path_factory.mktemp("s"))) as running:
        for name in ("old", "new", "newest"):
            running.service(
                f"{name}.default.svc.cluster.local", running.workload(f"default/{name}-0", Application(name).port)
            )
        running.workload(WEB, service_account="web")
        running.workload(BATCH, service_account="batch")
        running.start(*running.proxies)
        _split(running, HashOnHeader("x-user"), 90, 10)
        yield running
        assert running.rejections() == []


def _versions(made: Stage, headers: list[dict[str, str]], caller: str = WEB) -> list[str]:
    """Who answers each request, all over one connection."""
    to = made.proxies[caller].http_proxy
    assert to
    connection = HTTPConnection(to.host, to.port, timeout=15)
    found = []
    for one in headers:
        connection.request("GET", f"http://{HOST}/", headers={"host": HOST, **one})
        answer = connection.getresponse()
        text = answer.read().decode()
        found.append(text.split('"instance": "')[1].split('"')[0] if answer.status == 200 else str(answer.status))
    connection.close()
    return found


def _by_user(made: Stage) -> list[str]:
    return _versions(made, [{"x-user": f"user-{number}"} for number in range(USERS)])


def test_a_thousand_users_keep_their_version_and_few_move(made: Stage) -> None:
    """By 10% of a thousand users are new; called again all have what they had; with 20% nobody goes back, and a tenth moves."""
    first = _by_user(made)
    assert 70 <= first.count("new") <= 130
    assert _by_user(made) == first
    _split(made, HashOnHeader("x-user"), 80, 20)
    assert made.eventually(lambda: _by_user(made) != first)
    second = _by_user(made)
    assert 160 <= second.count("new") <= 240
    moved = [(before, after) for before, after in zip(first, second, strict=True) if before != after]
    assert set(moved) == {("old", "new")}
    assert len(moved) == second.count("new") - first.count("new")


def test_users_without_the_header_are_split_by_chance(made: Stage) -> None:
    """A request that does not say who it is of goes anywhere."""
    _split(made, HashOnHeader("x-user"), 50, 50)
    assert made.eventually(lambda: 30 < _versions(made, [{}] * 100).count("new") < 70)


def test_a_cookie_keeps_its_user(made: Stage) -> None:
    """Each of a hundred sessions meets one version, whatever other cookies there are."""
    _split(made, HashOnCookie("session"), 50, 50)
    sessions = [{"cookie": f"a=1; session={number}"} for number in range(100)]
    assert made.eventually(lambda: _versions(made, sessions) == _versions(made, sessions))
    others = [{"cookie": f"session={number}; b={number}"} for number in range(100)]
    assert _versions(made, others) == _versions(made, sessions)
    assert 30 < _versions(made, sessions).count("new") < 70


def test_a_caller_is_known_by_its_identity(made: Stage) -> None:
    """All calls of one workload meet one version, and not all workloads the same."""
    met = set()
    for share in range(10, 100, 10):
        _split(made, HashOnCaller(identity=True), 100 - share, share)
        both = {}
        for caller in (WEB, BATCH):
            assert made.eventually(lambda caller=caller: len(set(_versions(made, [{}] * 12, caller))) == 1)
            both[caller] = _versions(made, [{}], caller)[0]
        met.add((both[WEB], both[BATCH]))
    assert {one for one, _ in met} | {one for _, one in met} == {"old", "new"}
