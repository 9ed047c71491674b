"""The rules of localityLbSetting and of trafficDistribution, as Istio enforces them."""

from collections.abc import Iterable

from weft.resource.field_path import child, item
from weft.resource.istio.destination_rule import LocalityDistribute, LocalityLoadBalancer
from weft.resource.problems import Problems
from weft.resource.wording import close_name

DISTRIBUTION = "networking.istio.io/traffic-distribution"
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode", "Any")
_TOPOLOGY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")


def locality_lb_setting(value: LocalityLoadBalancer, path: str, problems: Problems, *, detects_outliers: bool) -> None:
    """One of `distribute` and a failover, places that are places, shares that add up."""
    fails_over = bool(value.failover) or bool(value.failover_priority)
    hint = "distribute says the shares of all places: nothing is left to fail over"
    problems.conflict(path, {"distribute": bool(value.distribute), "failover": bool(value.failover)}, hint)
    problems.conflict(path, {"distribute": bool(value.distribute), "failoverPriority": bool(value.failover_priority)}, hint)
    if value.enabled is False and (value.distribute or fails_over):
        hint = "remove enabled: false"
        problems.add("no-effect", path, name="localityLbSetting", why="enabled is false", hint=hint)
    elif fails_over and not detects_outliers:
        at = child(path, "failover" if value.failover else "failoverPriority")
        problems.add("failover-without-outlier-detection", at)
    _distribute(value.distribute, child(path, "distribute"), problems)
    _failover(value, path, problems)
    _priority(value, child(path, "failoverPriority"), problems)


def _distribute(value: tuple[LocalityDistribute, ...], path: str, problems: Problems) -> None:
    origins = []
    for index, one in enumerate(value):
        place = item(path, index)
        problems.invalid(child(place, "from"), _place(one.from_))
        origins.append((one.from_, child(place, "from")))
        _shares(one, place, problems)
    _overlaps(origins, problems)


def _shares(of: LocalityDistribute, path: str, problems: Problems) -> None:
    to = child(path, "to")
    if not of.to:
        problems.add("missing-field", to, name="to")
        return
    for name, weight in of.to.items():
        problems.invalid(child(to, name), _place(name))
        if not 1 <= weight <= 100:
            problems.invalid(child(to, name), f"{weight} is not a share between 1 and 100", "leave out what gets nothing")
    if (total := sum(of.to.values())) != 100:
        problems.add("weight-sum", to, total=total, hint="")
    _overlaps([(name, child(to, name)) for name in of.to], problems)


def _overlaps(places: list[tuple[str, str]], problems: Problems) -> None:
    for index, (name, path) in enumerate(places):
        other = next((one for one, _ in places[:index] if _overlap(_parts(one), _parts(name))), None)
        if other is not None:
            problems.invalid(path, f"{name} and {other} have places in common", "name each place once")


def _overlap(one: list[str], other: list[str]) -> bool:
    return all(first == second for first, second in zip(one, other, strict=False))


def _parts(place: str) -> list[str]:
    """The parts that say something: a `*` at the end does not."""
    return [part for part in place.split("/") if part != "*"]


def _place(text: str) -> str:
    """What is wrong with a place: region/zone/sub-zone, with `*` only as its last part."""
    parts = text.split("/")
    if not text or not all(parts):
        return f"{text[:80]!r} is not a place: region/zone/sub-zone"
    if len(parts) > 3:
        return f"{text[:80]!r} has more than three parts: region/zone/sub-zone"
    if any("*" in part for part in parts[:-1]) or ("*" in parts[-1] and parts[-1] != "*"):
        return f"{text[:80]!r}: * stands alone, and last"
    return ""


def _failover(value: LocalityLoadBalancer, path: str, problems: Problems) -> None:
    for index, one in enumerate(value.failover):
        place = item(child(path, "failover"), index)
        for name, region in (("from", one.from_), ("to", one.to)):
            if not region:
                problems.add("missing-field", child(place, name), name=name)
            elif "/" in region or "*" in region:
                problems.invalid(child(place, name), f"{region[:80]!r} is not a region: it has neither / nor *")
        if one.from_ and one.from_ == one.to:
            problems.invalid(child(place, "to"), f"{one.to[:80]} would fail over to itself", "name another region")


def _priority(value: LocalityLoadBalancer, path: str, problems: Problems) -> None:
    for index, label in enumerate(value.failover_priority):
        name = label.partition("=")[0]
        if not name:
            problems.invalid(item(path, index), "an empty label", "a label, or label=value")
        if value.failover and name in _TOPOLOGY:
            hint = "failover decides by topology itself: leave it out of failoverPriority"
            problems.conflict(item(path, index), {"failover": True, name: True}, hint)


def traffic_distribution(annotations: Iterable[tuple[str, str]], problems: Problems) -> None:
    """The annotation of a Service, a ServiceEntry or a Namespace."""
    for name, value in annotations:
        if name == DISTRIBUTION and value not in DISTRIBUTIONS:
            close = close_name(value, DISTRIBUTIONS)
            hint = f"did you mean {close}?" if close else "one of " + ", ".join(DISTRIBUTIONS)
            problems.invalid(child("metadata.annotations", name), f"{value[:60]!r} is not a distribution", hint)
