"""How often an application is asked, through two sidecars: nobody pays twice, and tries do not multiply."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import Application, Stage, free_port, stage

from weft.model.route import Destination, Forward, HttpRoute, Retries, RouteSet, WeightedDestination
from weft.ref import Ref

WEB = "default/web-0"
TILL = "http://till.default:9080"


class Dropping:
    """An application that reads a request, says `answer` and closes the connection; it counts."""

    def __init__(self, answer: bytes = b"") -> None:
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.requests = 0
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    def _serve(self) -> None:
        while True:
            peer, _ = self._listening.accept()
            with peer:
                if peer.recv(4096):
                    self.requests += 1
                    peer.sendall(self._answer)


class Played:
    """A caller, a till that counts, one that drops, one with a dead instance, and one with written retries."""

    def __init__(self, made: Stage) -> None:
        self.stage = made
        self.till, self.dropping, self.alive = Application("till-0"), Dropping(), Application("half-1")
        self.written = Application("written-0")
        self.lying = Dropping(b"HTTP/1.1 503 no\r\nx-weft-not-reached: true\r\ncontent-length: 0\r\n\r\n")
        made.service("lie.default.svc.cluster.local", made.workload("default/lie-0", self.lying.port))
        made.service("till.default.svc.cluster.local", made.workload("default/till-0", self.till.port))
        made.service("drop.default.svc.cluster.local", made.workload("default/drop-0", self.dropping.port))
        dead, alive = made.workload("default/half-0", free_port()), made.workload("default/half-1", self.alive.port)
        made.service("half.default.svc.cluster.local", dead, alive)
        host = "written.default.svc.cluster.local"
        made.service(host, made.workload("default/written-0", self.written.port))
        ref = Ref("networking.istio.io", "VirtualService", "default", "written")
        rule = HttpRoute(Forward((WeightedDestination(Destination(host)),)), ref, retries=Retries(1, ("503",)))
        made.mesh.routes[host] = (RouteSet((host,), "default", ref, http=(rule,)),)  # type: ignore[index]
        made.workload(WEB)
        made.start(WEB, *(name for name in made.proxies if name != WEB))

    def asked(self, method: str, *statuses: int, headers: dict[str, str] | None = None) -> tuple[int, int]:
        """The status that came back when the till answers so, and how often it was asked."""
        self.till.requests.clear()
        self.till.statuses[:] = statuses
        got = self.stage.call(WEB, f"{TILL}/", method=method, headers=headers, body="1" if method == "POST" else None)
        self.till.statuses.clear()
        return got.status, len(self.till.requests)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """All of it, running."""
    with stage(Path(tmp_path_factory.mktemp("s"))) as made:
        yield Played(made)
        assert made.rejections() == []


def test_a_post_that_was_answered_503_is_sent_once(played: Played) -> None:
    """The till is asked once, and its answer is what comes back."""
    assert played.asked("POST", 503) == (503, 1)


def test_a_get_that_was_answered_503_is_tried_again(played: Played) -> None:
    """GET, PUT and DELETE succeed at the second try; an error of the application itself is no reason for one."""
    assert [played.asked(method, 503) for method in ("GET", "PUT", "DELETE")] == [(200, 2)] * 3
    assert played.asked("GET", 500) == (500, 1)


def test_a_key_makes_a_post_safe(played: Played) -> None:
    """With an Idempotency-Key a POST is tried again."""
    assert played.asked("POST", 503, headers={"Idempotency-Key": "a1"}) == (200, 2)


def test_two_sidecars_do_not_multiply_tries(played: Played) -> None:
    """A till that never recovers is asked three times in all."""
    assert played.asked("GET", *[503] * 20) == (503, 3)


def test_a_connection_that_breaks_after_the_request_was_sent(played: Played) -> None:
    """Whoever read a POST is not sent it again; a GET is tried three times in all."""
    for method, times in (("POST", 1), ("GET", 3)):
        before = played.dropping.requests
        assert played.stage.call(WEB, "http://drop.default:9080/", method=method, body="1").status == 503
        assert played.dropping.requests - before == times


def test_an_application_that_is_not_there_has_seen_nothing(played: Played) -> None:
    """A POST whose sidecar finds no application behind it goes to the other instance: none of twenty fails, none comes twice."""
    statuses = {played.stage.call(WEB, "http://half.default:9080/", method="POST", body="1").status for _ in range(20)}
    assert statuses == {200}
    assert len(played.alive.requests) == 20


def test_an_application_cannot_say_that_it_was_not_reached(played: Played) -> None:
    """The mark of a sidecar is taken off what an application answers."""
    assert played.stage.call(WEB, "http://lie.default:9080/", method="POST", body="1").status == 503
    assert played.lying.requests == 1


def test_what_is_written_holds_for_every_method(played: Played) -> None:
    """`retries` of a VirtualService repeat a POST, as often as they say."""
    played.written.statuses[:] = [503] * 20
    assert played.stage.call(WEB, "http://written.default:9080/", method="POST", body="1").status == 503
    assert len(played.written.requests) == 2
