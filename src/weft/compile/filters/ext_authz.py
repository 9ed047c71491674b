"""Asks somebody outside whether a request may be made: the action CUSTOM.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_authz_filter

Two filters for each authorizer that the mesh declares, both switched off in the chain: an RBAC filter, which marks the requests
that policies select and decides nothing, and the one that asks, about marked requests only. The rules are in the route
configuration. What selects requests for somebody who cannot be asked denies them (`authorization.rbac`).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLogFilter
from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.extensions.access_loggers.filters.cel.v3.cel_pb2 import ExpressionFilter
from envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthz, ExtAuthzPerRoute
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC, RBACPerRoute
from envoy.extensions.filters.network.ext_authz.v3.ext_authz_pb2 import ExtAuthz as NetworkExtAuthz
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from envoy.extensions.filters.network.rbac.v3.rbac_pb2 import RBAC as NetworkRBAC
from google.protobuf.any_pb2 import Any as AnyMessage

from weft.compile import path_match
from weft.compile.authorization import rbac
from weft.compile.filters.order import Chain
from weft.compile.filters.rbac import DENIED_BY, NETWORK_NAME, deny
from weft.compile.filters.rbac import NAME as RBAC_NAME
from weft.compile.scope.screening_inputs import Asked, Guard
from weft.envoy.types import duration, packed
from weft.model.authorization import Action
from weft.model.mesh_config import Authorizer, HttpQuestion

NAME = "envoy.filters.http.ext_authz"
NETWORK_EXT_AUTHZ = "envoy.filters.network.ext_authz"
_PATIENCE = 600.0
"""Seconds in which an authorizer must answer when the mesh does not say it, as in Istio."""


def before(asked: Iterable[Asked], chain: Chain) -> Chain:
    """The chain of a mesh that declares authorizers: they come before DENY, as nobody may be let in by them alone."""
    more = tuple(
        entry
        for one in asked
        for entry in (
            (lambda one=one: _marks(one.authorizer.name), "marks what policies select: nothing else is asked about"),
            (lambda one=one: _asks(one), "before what the proxy decides itself, as Istio has it"),
        )
    )
    place = next((index for index, entry in enumerate(chain) if entry[0] is deny), 0)
    return (*chain[:place], *more, *chain[place:]) if more else chain


def _marks(provider: str) -> HttpFilter:
    return HttpFilter(name=_marking(provider), disabled=True, typed_config=packed(RBAC()))


def _marking(provider: str) -> str:
    return f"{RBAC_NAME}.custom.{provider}"


def _prefix(provider: str) -> str:
    return f"weft_custom_{provider}_"


def _marked(provider: str, filter_name: str) -> dict[str, Any]:
    path = [{"key": f"{_prefix(provider)}shadow_engine_result"}]
    return {"filter": filter_name, "path": path, "value": {"string_match": {"exact": "denied"}}}


def _asks(of: Asked) -> HttpFilter:
    one = of.authorizer
    limit = duration(one.timeout or _PATIENCE)
    body = one.body
    message = ExtAuthz(
        transport_api_version="V3",
        failure_mode_allow=one.fail_open,
        clear_route_cache=one.clears_route,
        status_on_error={"code": one.status} if one.status else None,
        filter_enabled_metadata=_marked(one.name, RBAC_NAME),
        include_peer_certificate=True,
        with_request_body={
            "max_request_bytes": body.most,
            "allow_partial_message": body.partial,
            "pack_as_bytes": body.as_bytes,
        }
        if body
        else None,
        **_how(of, one, limit),
    )
    return HttpFilter(name=f"{NAME}.{one.name}", disabled=True, typed_config=packed(message))


def _how(of: Asked, one: Authorizer, limit: Any) -> dict[str, Any]:
    if one.http is None:
        return {"grpc_service": _grpc(of, limit)}
    said = one.http
    shown = {"allowed_headers": _names(said.shown)} if said.shown else {}
    server = {"uri": f"http://{one.host}:{one.port}", "cluster": of.cluster, "timeout": limit}
    return {"http_service": {"server_uri": server, "path_prefix": said.path_prefix, **_exchange(said)}, **shown}


def _grpc(of: Asked, limit: Any) -> dict[str, Any]:
    return {"envoy_grpc": {"cluster_name": of.cluster, "authority": of.authorizer.host}, "timeout": limit}


def _exchange(of: HttpQuestion) -> dict[str, Any]:
    """What is added to the question, and what of the answer goes on to the application or back to the caller."""
    added = [{"key": name, "value": value} for name, value in of.added]
    lists = {
        "allowed_upstream_headers": of.to_upstream,
        "allowed_client_headers": of.to_caller_when_denied,
        "allowed_client_headers_on_success": of.to_caller_when_allowed,
    }
    return {
        "authorization_request": {"headers_to_add": added},
        "authorization_response": {name: _names(values) for name, values in lists.items() if values},
    }


def _names(of: Iterable[str]) -> dict[str, Any]:
    return {"patterns": [path_match.text(one, widely=True) for one in of]}


def per_route(of: Guard) -> dict[str, AnyMessage]:
    """What a route configuration says to the filters of the authorizers that its policies name."""
    said: dict[str, AnyMessage] = {}
    for one in of.asked:
        name = one.authorizer.name
        if rules := rbac(of, Action.CUSTOM, provider=name):
            shadow = RBAC(shadow_rules=rules, shadow_rules_stat_prefix=_prefix(name))
            said[_marking(name)] = packed(RBACPerRoute(rbac=shadow))
            said[f"{NAME}.{name}"] = packed(ExtAuthzPerRoute(check_settings={}))
    return said


def network_ext_authz(of: Guard, stat_prefix: str) -> list[Filter]:
    """The filters of a port whose bytes are not read: about its connections those are asked who speak gRPC."""
    made: list[Filter] = []
    for one in of.asked:
        name = one.authorizer.name
        if rules := rbac(of, Action.CUSTOM, provider=name):
            shadow = NetworkRBAC(stat_prefix=f"{stat_prefix}.", shadow_rules=rules, shadow_rules_stat_prefix=_prefix(name))
            asks = NetworkExtAuthz(
                stat_prefix=f"{stat_prefix}.",
                transport_api_version="V3",
                failure_mode_allow=one.authorizer.fail_open,
                include_peer_certificate=True,
                filter_enabled_metadata=_marked(name, NETWORK_NAME),
                grpc_service=_grpc(one, duration(one.authorizer.timeout or _PATIENCE)),
            )
            made.append(Filter(name=f"{NETWORK_NAME}.custom.{name}", typed_config=packed(shadow)))
            made.append(Filter(name=f"{NETWORK_EXT_AUTHZ}.{name}", typed_config=packed(asks)))
    return made


def denials(asked: Sequence[Asked], explain: bool) -> list[dict[str, Any]]:
    """How the answers to requests are marked that somebody outside refused, or about which nobody could be asked: with the rule
    that had it asked. What an authorizer answers itself is left as it is. The last who was to be asked is the one who refused."""
    return [
        mapper
        for one in reversed(asked)
        for details, words in (("denied", "external authorizer of"), ("error", "no external authorizer answers for"))
        for mapper in _mapper(one.authorizer.name, details, words, explain)
    ]


def _mapper(provider: str, details: str, words: str, explain: bool) -> list[dict[str, Any]]:
    if details == "denied" and not explain:
        return []
    expression = {
        "name": "envoy.access_loggers.extension_filters.cel",
        "typed_config": packed(ExpressionFilter(expression=f"response.code_details == 'ext_authz_{details}'")),
    }
    marked = {"metadata_filter": {"matcher": _marked(provider, RBAC_NAME), "match_if_key_not_found": {"value": False}}}
    said: dict[str, Any] = {"filter": AccessLogFilter(and_filter={"filters": [{"extension_filter": expression}, marked]})}
    words = f"{words} %DYNAMIC_METADATA({RBAC_NAME}:{_prefix(provider)}shadow_effective_policy_id)%"
    if explain:
        said["headers_to_add"] = [{"header": {"key": DENIED_BY, "value": words}}]
    if details == "error":
        said["body_format_override"] = {"text_format_source": {"inline_string": f"weft: access denied: {words}\n"}}
    return [said]
