"""Outcomes in the words of `calls.yaml`, and whether an outcome is the one that was told.

Nothing that happens may go unsaid: every key but the optional ones must be there exactly when it applies.
"""

from collections.abc import Mapping
from typing import Any

from weft.simulate.call import Call, HeaderList, HttpCall
from weft.simulate.outcome import (
    Action,
    Answered,
    Closed,
    Fault,
    Forwarded,
    HeaderChange,
    Outcome,
    Redirected,
    Retries,
    Share,
)

OPTIONAL = ("route", "origin", "virtual host", "says", "at", "tls", "envoy")
_SAFE = Retries(2, ("connect-failure", "refused-stream", "reset-before-request", "retriable-headers"))
_REPEATABLE = Retries(2, (*_SAFE.on, "gateway-error", "reset", "unavailable"))
_SUFFIX = ".svc.cluster.local"


def cluster(name: str) -> str:
    """`reviews.default:9080/v1` for Envoy's name of a cluster; ` (plain)` where its endpoints have no sidecar."""
    match name.split("|"):
        case [("outbound" | "outbound-plain") as kind, port, subset, host]:
            text = f"{host.removesuffix(_SUFFIX)}:{port}" + (f"/{subset}" if subset else "")
            return text + (" (plain)" if kind == "outbound-plain" else "")
    return name


def words(of: Outcome, call: Call) -> dict[str, Any]:
    """The whole outcome."""
    said: dict[str, Any] = {"fault": _fault(of.fault)} if of.fault else {}
    if of.matched:
        said |= {"route": of.matched.route, "origin": of.matched.origin, "virtual host": of.matched.virtual_host}
    if of.unread:
        said["filters"] = list(of.unread)
    if of.limits:
        said["limits"] = list(of.limits)
    return said | _action(of.action, call)


def _action(of: Action, call: Call) -> dict[str, Any]:
    match of:
        case Answered(status, body, response):
            return {"answer": status, "says": body} | _response(response)
        case Redirected(status, location, response):
            return {"redirect": {"status": status, "location": location}} | _response(response)
        case Closed():
            return {"closed": True}
        case Forwarded():
            return _forwarded(of, call)


def _forwarded(of: Forwarded, call: Call) -> dict[str, Any]:
    said: dict[str, Any] = {
        "at": sorted({one for share in of.shares for one in share.endpoints}),
        "tls": ", ".join(sorted({share.tls or "none" for share in of.shares})),
    }
    if len(of.shares) == 1:
        said["to"] = _to(of.shares[0])
    else:
        alike = len({one.cluster for one in of.shares}) == 1  # names of one cluster: told apart by where they are
        said["to"] = {_to(one) + (f" at {one.endpoints[0]}" if alike else ""): round(one.percent, 2) for one in of.shares}
    if places := {place.locality or "nowhere": round(place.percent, 1) for share in of.shares for place in share.places}:
        said["places"] = places
    if of.shares[0].tunnel:
        said["tunnel"] = of.shares[0].tunnel
    if not any(share.endpoints for share in of.shares):
        said["endpoints"] = "none"
    edits = [_share(one, call) for one in of.shares if not one.answer]
    if all(one == edits[0] for one in edits):
        said |= edits[0]
    else:
        said["each"] = {
            _to(share): edit for share, edit in zip((one for one in of.shares if not one.answer), edits, strict=True) if edit
        }
    if of.timeout:
        said["timeout"] = of.timeout
    if isinstance(call, HttpCall) and of.retries != usual_retries(call):
        said["retries"] = _retries(of.retries)
    if of.copies:
        said["copies"] = {cluster(one.cluster): round(one.percent, 2) for one in of.copies}
    if of.split_on:
        said["split on"] = of.split_on
    if of.hashed_on:
        said["hashed on"] = list(of.hashed_on)
    if of.session:
        said["session"] = of.session
    return said


def _to(of: Share) -> str:
    return f"answer {of.answer}" if of.answer else cluster(of.cluster)


def usual_retries(of: HttpCall) -> Retries:
    """What is tried again when nobody said otherwise: more where a second try does no harm."""
    harmless = of.method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE") or "idempotency-key" in dict(of.headers)
    return _REPEATABLE if harmless else _SAFE


def _share(of: Share, call: Call) -> dict[str, Any]:
    if of.request is None or not isinstance(call, HttpCall):
        return {}
    said: dict[str, Any] = {}
    if of.request.authority != call.authority:
        said["authority"] = of.request.authority
    if of.request.path != call.path:
        said["path"] = of.request.path
    before, after = joined(call.headers), joined(of.request.headers)
    if changed := {name: value for name, value in after.items() if before.get(name) != value}:
        said["headers"] = changed
    if gone := sorted(set(before) - set(after)):
        said["without headers"] = gone
    return said | _response(of.response)


def joined(headers: HeaderList) -> dict[str, str]:
    """The headers by name, several values of one joined by commas."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _response(changes: tuple[HeaderChange, ...]) -> dict[str, Any]:
    said = [f"{one.how} {one.name}" + (f": {one.value}" if one.how != "remove" else "") for one in changes]
    said = [one for one in said if one != "set content-type: text/plain"]  # of weft's own answers
    return {"response": said} if said else {}


def _retries(of: Retries | None) -> dict[str, Any] | str:
    if of is None:
        return "none"
    usual = {_SAFE.on: "unsent", _REPEATABLE.on: "repeatable"}
    said: dict[str, Any] = {"attempts": of.attempts, "on": usual.get(of.on) or ",".join((*of.on, *map(str, of.codes)))}
    if of.per_try_timeout:
        said["per try"] = of.per_try_timeout
    if of.backoff:
        said["backoff"] = of.backoff
    return said


def _fault(of: Fault) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if of.delay:
        said["delay"] = {"seconds": of.delay, "percent": of.delay_percent}
    if of.status:
        said["abort"] = {"status": of.status, "percent": of.abort_percent}
    elif of.grpc_status is not None:
        said["abort"] = {"grpc": of.grpc_status, "percent": of.abort_percent}
    return said


def difference(told: Mapping[str, Any], happened: Mapping[str, Any]) -> str:
    """What differs between what was told and what happened; empty when nothing does."""
    wrong = []
    for key in sorted({*told, *happened}):
        if key == "envoy" or (key in OPTIONAL and key not in told):
            continue
        if key == "says" and key in happened and str(told[key]) in str(happened[key]):
            continue
        if told.get(key) != happened.get(key):
            wrong.append(f"{key}: told {told.get(key)!r}, is {happened.get(key)!r}")
    return "\n".join(wrong)
