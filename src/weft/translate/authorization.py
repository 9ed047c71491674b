"""AuthorizationPolicy into the model: what a rule says of callers and requests becomes conditions on attributes."""

import re
from collections.abc import Iterable

from weft.model import authorization as model
from weft.model.authorization import Action
from weft.model.labels import labels
from weft.resource.istio.authorization_policy import AuthorizationPolicy, Condition, Operation, Rule, Source
from weft.resource.resource import Resource
from weft.translate.statement import Statement

DRY_RUN = "istio.io/dry-run"
_BRACKETS = re.compile(r"\[([^\[\]]+)\]")


def authorization_policy(resource: Resource, spec: AuthorizationPolicy) -> Statement:
    """An AuthorizationPolicy."""
    namespace = resource.meta.namespace
    targets = (*((spec.target_ref,) if spec.target_ref else ()), *spec.target_refs)
    said = model.AuthorizationPolicy(
        namespace,
        resource.meta.name,
        resource.ref,
        Action(spec.action),
        labels(spec.selector.match_labels) if spec.selector else (),
        tuple(sorted({one.name for one in targets})),
        tuple(_rule(one, namespace) for one in spec.rules),
        resource.meta.annotations.get(DRY_RUN, "").lower() == "true",
        spec.provider.name if spec.provider else "",
    )
    return Statement(resource.ref, guarding=said)


def _rule(of: Rule, namespace: str) -> model.Rule:
    return model.Rule(
        tuple(_source(one.source, namespace) for one in of.from_ or ()),
        tuple(_operation(one.operation) for one in of.to or ()),
        tuple(_condition(one, namespace) for one in of.when),
    )


def _source(of: Source, namespace: str) -> model.Conditions:
    accounts, not_accounts = (_accounts(texts, namespace) for texts in (of.service_accounts, of.not_service_accounts))
    return _said(
        model.Condition(model.PRINCIPAL, of.principals, of.not_principals),
        model.Condition(model.REQUEST_PRINCIPAL, of.request_principals, of.not_request_principals),
        model.Condition(model.NAMESPACE, of.namespaces, of.not_namespaces),
        model.Condition(model.SERVICE_ACCOUNT, accounts, not_accounts),
        model.Condition(model.SOURCE_IP, of.ip_blocks, of.not_ip_blocks),
        model.Condition(model.REMOTE_IP, of.remote_ip_blocks, of.not_remote_ip_blocks),
    )


def _accounts(texts: Iterable[str], namespace: str) -> tuple[str, ...]:
    """Without a namespace a service account is of the policy's."""
    return tuple(one if "/" in one else f"{namespace}/{one}" for one in texts)


def _operation(of: Operation) -> model.Conditions:
    return _said(
        model.Condition(model.HOST, of.hosts, of.not_hosts),
        model.Condition(model.PORT, of.ports, of.not_ports),
        model.Condition(model.METHOD, of.methods, of.not_methods),
        model.Condition(model.PATH, of.paths, of.not_paths),
    )


def _said(*conditions: model.Condition) -> model.Conditions:
    return tuple(one for one in conditions if one.values or one.not_values)


def _condition(of: Condition, namespace: str) -> model.Condition:
    attribute, keys = attribute_of(of.key)
    if attribute == model.SERVICE_ACCOUNT:
        return model.Condition(attribute, _accounts(of.values, namespace), _accounts(of.not_values, namespace))
    return model.Condition(attribute, of.values, of.not_values, keys)


def attribute_of(key: str) -> tuple[str, tuple[str, ...]]:
    """A condition's key taken apart: `request.auth.claims[a][b]` is the claim `b` in `a`."""
    name, keys = key.partition("[")[0], tuple(_BRACKETS.findall(key))
    if name.startswith(f"{model.FILTER}."):
        return model.FILTER, (name.removeprefix("experimental."), *keys)
    return name, keys
