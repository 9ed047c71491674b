"""RateLimit into the model."""

from weft.model import rate_limit as model
from weft.model.labels import labels
from weft.model.mesh import Settings
from weft.quota import Quota
from weft.resource.resource import Resource
from weft.resource.weft.rate_limit import Limit, RateLimit, RateLimitRule, RequestMatch
from weft.translate.authorization import attribute_of
from weft.translate.route_matches import named
from weft.translate.statement import Reference, Statement

_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}
_LEAST_BURST, _BURST_SHARE = 10, 20


def rate_limit(resource: Resource, spec: RateLimit, settings: Settings) -> Statement:
    """A RateLimit."""
    meta = resource.meta
    of_kind = {kind: tuple(sorted(one.name for one in spec.target_refs if one.kind == kind)) for kind in ("Gateway", "Service")}
    said = model.RateLimit(
        meta.namespace,
        meta.name,
        resource.ref,
        labels(spec.selector.match_labels) if spec.selector else (),
        of_kind["Gateway"],
        tuple(_host(name, meta.namespace, settings) for name in of_kind["Service"]),
        tuple(_limit(resource, spec, index, rule) for index, rule in enumerate(spec.rules)),
    )
    named = (
        Reference(_host(one.name, meta.namespace, settings), resource.ref.at(f"spec.targetRefs[{index}].name"))
        for index, one in enumerate(spec.target_refs)
        if one.kind == "Service"
    )
    return Statement(resource.ref, guarding=said, references=tuple(named))


def _host(service: str, namespace: str, settings: Settings) -> str:
    return f"{service}.{namespace}.svc.{settings.domain}"


def _limit(resource: Resource, spec: RateLimit, index: int, rule: RateLimitRule) -> model.Limit:
    meta = resource.meta
    return model.Limit(
        f"{meta.namespace}/{meta.name}/{rule.name or index}",
        resource.ref.at(f"spec.rules[{index}]"),
        quota(rule.limit),
        _match(rule.match) if rule.match else model.Match(),
        tuple(model.Key(*attribute_of(one)) for one in rule.per),
        rule.limit.connections is not None,
        spec.mode == "GLOBAL",
        spec.shadow,
        spec.on_limiter_failure == "DENY",
    )


def quota(of: Limit) -> Quota:
    """The quota of a limit, with its burst."""
    requests, seconds = of.requests or of.connections or 1, _SECONDS[of.unit]
    burst = requests if seconds == 1 else min(requests, max(_LEAST_BURST, requests // _BURST_SHARE))
    return Quota(requests, seconds, of.burst or burst)


def _match(of: RequestMatch) -> model.Match:
    return model.Match(of.hosts, of.methods, of.paths, tuple(named(of.headers)), tuple(sorted(of.ports)))
