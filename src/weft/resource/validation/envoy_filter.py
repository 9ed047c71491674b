"""The rules of EnvoyFilter: what may be done to what, where, and whether the value is what Envoy calls so."""

from collections.abc import Mapping
from typing import Any

from weft.resource import envoy_message
from weft.resource.field_path import below, child, item
from weft.resource.istio.envoy_filter import ConfigPatch, EnvoyFilter, TargetReference
from weft.resource.problems import Problems
from weft.resource.validation.labels import labels

MESSAGES: Mapping[str, str] = {
    "LISTENER": "envoy.config.listener.v3.Listener",
    "FILTER_CHAIN": "envoy.config.listener.v3.FilterChain",
    "NETWORK_FILTER": "envoy.config.listener.v3.Filter",
    "LISTENER_FILTER": "envoy.config.listener.v3.ListenerFilter",
    "HTTP_FILTER": "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "ROUTE_CONFIGURATION": "envoy.config.route.v3.RouteConfiguration",
    "VIRTUAL_HOST": "envoy.config.route.v3.VirtualHost",
    "HTTP_ROUTE": "envoy.config.route.v3.Route",
    "CLUSTER": "envoy.config.cluster.v3.Cluster",
    "EXTENSION_CONFIG": "envoy.config.core.v3.TypedExtensionConfig",
}
"""The message of each `applyTo`."""

_WHOLE = ("MERGE", "ADD", "REMOVE")
_IN_A_LIST = (*_WHOLE, "INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST")
_OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "LISTENER": _WHOLE,
    "FILTER_CHAIN": _WHOLE,
    "NETWORK_FILTER": (*_IN_A_LIST, "REPLACE"),
    "LISTENER_FILTER": (*_IN_A_LIST, "REPLACE"),
    "HTTP_FILTER": (*_IN_A_LIST, "REPLACE"),
    "ROUTE_CONFIGURATION": ("MERGE",),
    "VIRTUAL_HOST": _WHOLE,
    "HTTP_ROUTE": _IN_A_LIST,
    "CLUSTER": _WHOLE,
    "EXTENSION_CONFIG": ("ADD",),
    "BOOTSTRAP": ("MERGE",),
}
_MATCHES: Mapping[str, str] = {
    **dict.fromkeys(("LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "LISTENER_FILTER", "HTTP_FILTER"), "listener"),
    **dict.fromkeys(("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE"), "routeConfiguration"),
    "CLUSTER": "cluster",
}
_MANAGER = ("envoy.filters.network.http_connection_manager", "envoy.http_connection_manager")


def envoy_filter(spec: EnvoyFilter, problems: Problems) -> None:
    """Each patch for itself; an EnvoyFilter is for labels or for gateways."""
    if spec.workload_selector:
        labels(spec.workload_selector.labels, "spec.workloadSelector.labels", problems)
    problems.conflict("spec", {"workloadSelector": spec.workload_selector is not None, "targetRefs": bool(spec.target_refs)})
    for number, target in enumerate(spec.target_refs):
        _target(target, item("spec.targetRefs", number), problems)
    for number, one in enumerate(spec.config_patches):
        _patch(one, item("spec.configPatches", number), problems)


def _target(of: TargetReference, path: str, problems: Problems) -> None:
    if (of.group, of.kind) != ("gateway.networking.k8s.io", "Gateway"):
        effect = "there are no waypoints, and an EnvoyFilter is for one Gateway at a time"
        hint = "write group: gateway.networking.k8s.io, kind: Gateway"
        problems.add("unsupported-value", child(path, "kind"), value=f"kind {of.kind[:60]}", effect=effect, hint=hint)
    if of.namespace:
        problems.invalid(child(path, "namespace"), "a target is in the namespace of the EnvoyFilter", "leave it out")


def _patch(of: ConfigPatch, path: str, problems: Problems) -> None:
    if of.apply_to == "BOOTSTRAP":
        effect = "an Envoy is started with the same bootstrap everywhere"
        problems.add("unsupported-value", child(path, "applyTo"), value="BOOTSTRAP", effect=effect, hint="")
        return
    operation, operations = of.patch.operation, _OPERATIONS[of.apply_to]
    if operation not in operations:
        hint = f"write one of {', '.join(operations)}"
        problems.invalid(below(path, "patch", "operation"), f"{operation} cannot be done to {of.apply_to}", hint)
    _match(of, path, problems)
    if of.patch.filter_class != "UNSPECIFIED" and of.apply_to != "HTTP_FILTER":
        why = "only HTTP filters have a class"
        problems.add("no-effect", below(path, "patch", "filterClass"), name="filterClass", why=why, hint="")
    place = below(path, "patch", "value")
    if operation == "REMOVE":
        if of.patch.value:
            problems.add("no-effect", place, name="value", why="what is removed needs no value", hint="leave it out")
    elif of.patch.value is None:
        problems.add("missing-field", place, name="value")
    else:
        _value(of.apply_to, operation, of.patch.value, place, problems)


def _match(of: ConfigPatch, path: str, problems: Problems) -> None:
    if of.match is None:
        return
    written = {
        "listener": of.match.listener,
        "routeConfiguration": of.match.route_configuration,
        "cluster": of.match.cluster,
    }
    fitting = _MATCHES.get(of.apply_to, "")
    for name, there in written.items():
        if there is not None and name != fitting:
            hint = f"match.{fitting} tells where {of.apply_to} applies" if fitting else "leave it out"
            problems.invalid(below(path, "match", name), f"{of.apply_to} is not in a {name}", hint)
    chain = of.match.listener.filter_chain if of.match.listener else None
    if of.apply_to == "HTTP_FILTER" and chain and chain.filter and chain.filter.name not in ("", *_MANAGER):
        place = below(path, "match", "listener", "filterChain", "filter", "name")
        hint = f"write {_MANAGER[0]}, and the HTTP filter in subFilter.name"
        problems.invalid(place, f"HTTP filters are in {_MANAGER[0]}, not in {chain.filter.name[:80]}", hint)


def _value(apply_to: str, operation: str, value: Any, path: str, problems: Problems) -> None:
    made = envoy_message.read(value, MESSAGES[apply_to], path, problems.invalid)
    if made is None or operation == "MERGE":
        return
    if "name" in made.DESCRIPTOR.fields_by_name and not made.name and apply_to not in ("FILTER_CHAIN", "HTTP_ROUTE"):  # type: ignore[attr-defined]
        problems.add("missing-field", child(path, "name"), name="name")
