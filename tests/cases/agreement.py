"""Whether what a real Envoy did is what `simulate` said it would do."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from replay import Got, Replay
from words import joined

from weft.envoy.names import INNER_LISTENER
from weft.simulate.call import Call, HttpCall, TcpCall
from weft.simulate.outcome import Answered, Closed, Fault, Forwarded, HeaderChange, Outcome, Redirected, Share
from weft.simulate.path import parameters

_MANY = 150  # calls, where shares are counted
_SAME = 6  # calls, where all must meet one endpoint
_FEW = 4  # calls that are forwarded: one might meet by chance what was simulated
_DEVIATIONS = 5.0


@dataclass
class Agreement:
    """One call of a story, replayed."""

    replay: Replay
    caller: str
    call: Call
    outcome: Outcome
    really: Mapping[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def check(self) -> list[str]:
        """What was otherwise than simulated."""
        self.replay.backends.seen.clear()
        if self.outcome.unread:
            self._unread()
        elif isinstance(self.call, TcpCall):
            self._connections([self.replay.connection(self.caller, self.call) for _ in range(self._times())])
        else:
            self._requests(list(self.replay.requests(self.caller, self.call, self._times())), self.call)
            if self.really:
                self.replay.backends.seen.clear()
                self._unread()
        return self.wrong

    def _unread(self) -> None:
        """What was not simulated: only what the story says of the real Envoy is known."""
        assert isinstance(self.call, HttpCall)
        statuses = self.really.get("statuses", [self.really.get("status", 200)])
        got = list(self.replay.requests(self.caller, self.call, len(statuses)))
        self._that([one.status for one in got] == statuses, f"statuses {[one.status for one in got]}, not {statuses}")
        for name, value in self.really.get("response", {}).items():
            self._that(got[0].headers.get(name) == value, f"{name} of the answer is {got[0].headers.get(name)!r}, not {value!r}")
        seen = self.replay.backends.seen
        for name, value in self.really.get("request", {}).items():
            found = [one.headers.get(name) for one in seen]
            self._that(found and set(found) == {value}, f"{name} of the request is {found}, not {value!r}")
        self._that(self.really.get("says", "") in got[0].text, f"said {got[0].text!r}")

    def _times(self) -> int:
        action, fault = self.outcome.action, self.outcome.fault
        partial = [fault.delay_percent, fault.abort_percent] if fault else []
        if isinstance(action, Forwarded):
            partial += [one.percent for one in (*action.shares, *action.copies)]
            partial += [place.percent for one in action.shares for place in one.places]
            if action.hashed_on or (action.split_on and _has_key(self.call, action.split_on)):
                return _SAME
        if any(0 < one < 100 for one in partial):
            return _MANY
        return _FEW if isinstance(action, Forwarded) and not fault else 1

    def _that(self, holds: object, what: str) -> None:
        if not holds:
            self.wrong.append(what)

    # connections

    def _connections(self, got: list[Got]) -> None:
        match self.outcome.action:
            case Closed():
                self._that(all(one.status == 0 for one in got), f"a closed connection was answered: {got[0]}")
            case Answered(status, body):
                self._that(got[0].status == status, f"answered {got[0].status}, not {status}")
                self._that(body in got[0].text, f"said {got[0].text!r}")
            case Forwarded(shares):
                if shares[0].cluster != INNER_LISTENER:
                    empty = sum(one.percent for one in shares if not one.endpoints)
                    self._shares(shares, [one.endpoint for one in got], empty)

    # requests

    def _requests(self, got: list[Got], call: HttpCall) -> None:
        fault = self.outcome.fault
        aborted = self._faults(fault, got) if fault else []
        rest = [one for one in got if one not in aborted]
        action = self.outcome.action
        if not rest:
            return
        match action:
            case Closed():
                self._that(all(one.status == 0 for one in rest), f"a closed connection was answered: {rest[0]}")
            case Answered(status, body, response):
                self._that(all((one.status, one.endpoint) == (status, "") for one in rest), f"not {status}: {rest[0]}")
                self._that(rest[0].text == body if body else True, f"said {rest[0].text!r}")
                self._response(response, rest[0], {})
            case Redirected(status, location, response):
                self._that(rest[0].status == status, f"status {rest[0].status}, not {status}")
                found = rest[0].headers.get("location")
                self._that(found == location, f"location {found}, not {location}")
                self._response(response, rest[0], {})
            case Forwarded():
                self._forwarded(action, rest, call)

    def _faults(self, fault: Fault, got: list[Got]) -> list[Got]:
        if fault.delay and fault.delay_percent == 100:
            self._that(all(one.seconds >= fault.delay for one in got), "it was not delayed")
        if not fault.status and fault.grpc_status is None:
            return []
        aborted = [one for one in got if "fault filter abort" in one.text or one.headers.get("grpc-status")]
        self._count("aborted", len(aborted), fault.abort_percent, len(got))
        for one in aborted[:1]:
            if fault.status:
                self._that(one.status == fault.status, f"aborted with {one.status}")
            else:
                self._that(one.headers.get("grpc-status") == str(fault.grpc_status), f"aborted with {one.headers}")
        return aborted

    def _forwarded(self, action: Forwarded, got: list[Got], call: HttpCall) -> None:
        empty = sum(one.percent for one in action.shares if not one.endpoints)
        met = [one.endpoint for one in got]
        if action.split_on and _has_key(call, action.split_on):
            self._that(any(set(met) <= set(one.endpoints) for one in action.shares), f"one key met several shares: {met}")
        else:
            self._shares(action.shares, met, empty)
        without = {one.answer or 503 for one in action.shares if not one.endpoints}
        strange = [one.status for one in got if without and not one.endpoint and one.status not in without]
        self._that(not strange, f"statuses {strange[:3]} without an endpoint")
        if empty == 100:
            return
        if any(_has_key(call, one) for one in action.hashed_on):
            self._that(len({one.endpoint for one in got}) == 1, "one key met several endpoints")
        self._copies(action, len(got))
        main = self._main_requests(action)
        self._seen(action, main, call)
        for share in action.shares:
            answers = [one for one in got if one.endpoint in share.endpoints]
            if answers and not self._is_shared(answers[0].endpoint, action):
                self._response(share.response, answers[0], {"content-type": "application/json"})
        if len({one.status for one in got}) == 1 and main:
            self._tries(action, got[0].status, len(main) / len(got))
        if action.session:
            self._session(action.session, got[0], call)

    def _session(self, by: str, first: Got, call: HttpCall) -> None:
        """Requests with what the first answer carried meet the endpoint that gave it."""
        how, _, name = by.partition(" ")
        if how == "cookie":
            held = ("cookie", first.headers.get("set-cookie", "").partition(";")[0])
            self._that(held[1].startswith(f"{name}="), f"no cookie {name} in {first.headers}")
        else:
            held = (name, first.headers.get(name, ""))
            self._that(held[1], f"no header {name} in {first.headers}")
        again = self.replay.requests(self.caller, replace(call, headers=(*call.headers, held)), _SAME)
        self._that({one.endpoint for one in again} == {first.endpoint}, "a session met several endpoints")

    def _is_shared(self, endpoint: str, action: Forwarded) -> bool:
        return sum(endpoint in share.endpoints for share in action.shares) > 1

    def _shares(self, shares: Iterable[Share], met: list[str], empty: float) -> None:
        """Every endpoint that answered was one of a share, and each share had its part. Shares with the same endpoints cannot be
        told apart, and are counted together."""
        parts: dict[tuple[str, ...], float] = {}
        for one in shares:
            for endpoints, percent in _parts(one):
                parts[endpoints] = parts.get(endpoints, 0.0) + percent
        known = {endpoint for endpoints in parts for endpoint in endpoints}
        strangers = sorted({one for one in met if one and one not in known})
        self._that(not strangers, f"answered by {strangers}")
        self._that(empty or "" not in met, "some were answered by no endpoint")
        for endpoints, percent in parts.items():
            number = sum(one in endpoints for one in met) if endpoints else met.count("")
            self._count(f"share of {endpoints}", number, percent, len(met))

    def _count(self, what: str, number: int, percent: float, of: int) -> None:
        share = min(1.0, percent / 100)
        margin = _DEVIATIONS * math.sqrt(of * share * (1 - share))
        self._that(abs(number - of * share) <= margin, f"{what}: {number} of {of}, not {percent:g}%")

    def _main_requests(self, action: Forwarded) -> list[object]:
        ends = {endpoint for one in action.shares for endpoint in one.endpoints}
        return [one for one in self.replay.backends.seen if one.endpoint in ends and not self._is_copy(one.authority)]

    def _is_copy(self, authority: str) -> bool:
        return authority.partition(":")[0].endswith("-shadow")

    def _copies(self, action: Forwarded, calls: int) -> None:
        for copy in action.copies:
            deadline = time.monotonic() + 2
            while (number := self._copied()) < calls * copy.percent / 100 and time.monotonic() < deadline:
                time.sleep(0.02)
            if len(action.copies) == 1:
                self._count(f"copies to {copy.cluster}", number, copy.percent, calls)

    def _copied(self) -> int:
        return sum(self._is_copy(one.authority) for one in self.replay.backends.seen)

    def _seen(self, action: Forwarded, seen: list[object], call: HttpCall) -> None:
        for got in self.replay.backends.seen:
            if got not in seen:
                continue
            expected = [one.request for one in action.shares if one.request and got.endpoint in one.endpoints]
            fits = any(
                (got.authority, got.path) == (one.authority, one.path) and _literally(joined(one.headers), got.headers)
                for one in expected
            )
            if not fits:
                self.wrong.append(f"an endpoint saw {got}, not {expected}")
                return
            limit = action.retries.per_try_timeout if action.retries and action.retries.per_try_timeout else action.timeout
            self._limit(got.expected, round(limit * 1000), bool(action.retries and action.retries.per_try_timeout))

    def _limit(self, expected: str, wanted: int, per_try: bool) -> None:
        """Envoy says how long an answer may take; what the tries before took is gone from the whole time."""
        found = int(expected or 0)
        fits = found == wanted or (not per_try and wanted - 1000 < found <= wanted and found > 0)
        self._that(fits, f"the time limit is {expected!r} ms, not {wanted}")

    def _tries(self, action: Forwarded, status: int, number: float) -> None:
        retries = action.retries
        expected = 1 + (retries.attempts if retries and retries.repeats(status) else 0)
        self._that(number == expected, f"{number:g} tries, not {expected}")

    def _response(self, changes: tuple[HeaderChange, ...], got: Got, before: dict[str, str]) -> None:
        final = dict(before)
        for one in changes:
            if one.how == "remove":
                final.pop(one.name, None)
                self._that(one.name not in got.headers or one.name in _added(changes), f"{one.name} was not removed")
            elif one.how == "add" and one.name in final:
                final[one.name] += f",{one.value}"
            elif one.how != "default" or one.name not in final:
                final[one.name] = one.value
        for name, value in final.items():
            found = ",".join(part.strip() for part in got.headers.get(name, "").split(","))
            self._that(found == value or "%" in value, f"{name} of the answer is {found!r}, not {value!r}")


def _parts(of: Share) -> list[tuple[tuple[str, ...], float]]:
    if not of.places:
        return [(of.endpoints, of.percent)]
    return [(place.endpoints, of.percent * place.percent / 100) for place in of.places]


def _has_key(call: Call, key: str) -> bool:
    """Whether the request has what `key` (in the words of `Forwarded.hashed_on`) hashes by."""
    if not isinstance(call, HttpCall):
        return False
    kind, _, name = key.rpartition(" ")
    match kind:
        case "header":
            return any(header == name for header, _ in call.headers)
        case "cookie":
            return any(header == "cookie" and f"{name}=" in value for header, value in call.headers)
        case "query parameter":
            return name in parameters(call.path)
    return True


def _added(changes: tuple[HeaderChange, ...]) -> set[str]:
    return {one.name for one in changes if one.how != "remove"}


def _literally(told: dict[str, str], seen: object) -> bool:
    """Whether the headers are those told, but for values that Envoy computes."""
    assert isinstance(seen, dict)
    return set(told) == set(seen) and all(seen[name] == value or "%" in value for name, value in told.items())


def everything(of: Iterable[Agreement]) -> Iterator[str]:
    """All that is wrong."""
    for one in of:
        yield from one.check()
