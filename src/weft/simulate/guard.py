"""What stands before a route: the tokens that are accepted, and the rules of who may call.

Filters that are off in the chain run where the route, its virtual host or its route configuration says something to them.
"""

from collections.abc import Iterator

from envoy.config.listener.v3.listener_components_pb2 import FilterChain
from envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthz, ExtAuthzPerRoute
from envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import JwtAuthentication
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC, RBACPerRoute
from envoy.extensions.filters.http.set_filter_state.v3.set_filter_state_pb2 import Config as SetFilterState
from envoy.extensions.filters.network.ext_authz.v3.ext_authz_pb2 import ExtAuthz as NetworkExtAuthz
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager
from envoy.extensions.filters.network.rbac.v3.rbac_pb2 import RBAC as NetworkRBAC

from weft.simulate.call import Call, HttpCall
from weft.simulate.held import Read, unpacked
from weft.simulate.local_reply import local_reply
from weft.simulate.outcome import Answered
from weft.simulate.path import parameters
from weft.simulate.rbac import matched, refusing
from weft.simulate.route_match import values

Levels = tuple[Route, VirtualHost, RouteConfiguration]


def connection(chain: FilterChain, call: Call) -> str:
    """Why a connection whose bytes are not read is closed; empty when it is not."""
    for one in chain.filters:
        config = unpacked(one.typed_config, NetworkRBAC)
        if config is not None and config.HasField("rules") and (name := refusing(config.rules, call)):
            return f"rbac_access_denied_matched_policy[{name}]"
    return ""


def refused(manager: HttpConnectionManager, levels: Levels, call: HttpCall) -> Answered | None:
    """The answer to a request that is not let through to its route; None when it is."""
    if _is_mistrusted(manager, call):
        return Answered(401)
    for rules in _rules(manager, levels):
        if rules.HasField("rules") and (name := refusing(rules.rules, call)):
            details = f"rbac_access_denied_matched_policy[{name}]"
            return local_reply(manager, 403, details, _states(manager, levels))
    return None


def asked_of_connection(chain: FilterChain, call: Call) -> tuple[str, ...]:
    """The filters that ask somebody outside about the connection."""
    rules = [config for one in chain.filters if (config := unpacked(one.typed_config, NetworkRBAC))]
    marks = {_mark(one) for one in rules if one.HasField("shadow_rules") and matched(one.shadow_rules, call)}
    asks = [(one.name, config) for one in chain.filters if (config := unpacked(one.typed_config, NetworkExtAuthz))]
    return tuple(name for name, config in asks if config.filter_enabled_metadata.path[0].key in marks)


def _mark(of: RBAC | NetworkRBAC) -> str:
    return f"{of.shadow_rules_stat_prefix}shadow_engine_result"


def asked(manager: HttpConnectionManager, levels: Levels, call: HttpCall) -> tuple[str, ...]:
    """The filters that ask somebody outside about the request: what comes of it nobody knows here."""
    keys = {
        one.name: config.filter_enabled_metadata.path[0].key
        for one in manager.http_filters
        if (config := unpacked(one.typed_config, ExtAuthz)) and config.filter_enabled_metadata.path
    }
    marks = {
        _mark(rules)
        for rules in _rules(manager, levels)
        if rules.HasField("shadow_rules") and matched(rules.shadow_rules, call)
    }
    return tuple(name for name, key in keys.items() if key in marks and _said(name, levels, ExtAuthzPerRoute))


def _states(manager: HttpConnectionManager, levels: Levels) -> dict[str, str]:
    """What filters before said of the request, by the names of the filter states."""
    found: dict[str, str] = {}
    for one in manager.http_filters:
        said = _said(one.name, levels, SetFilterState)
        for value in said.on_request_headers if said else ():
            text = value.format_string.text_format_source.inline_string.replace("%%", "%")
            found[value.object_key or value.factory_key] = text
    return found


def _said(name: str, levels: Levels, kind: type[Read]) -> Read | None:
    """What the nearest of route, virtual host and route configuration says to a filter, when it is of that kind."""
    nearest = next((level for level in levels if name in level.typed_per_filter_config), None)
    return unpacked(nearest.typed_per_filter_config[name], kind) if nearest is not None else None


def _rules(manager: HttpConnectionManager, levels: Levels) -> Iterator[RBAC]:
    for one in manager.http_filters:
        config = unpacked(one.typed_config, RBAC)
        if config is None:
            continue
        if special := _said(one.name, levels, RBACPerRoute):
            yield special.rbac
        elif not one.disabled:
            yield config


def _is_mistrusted(manager: HttpConnectionManager, call: HttpCall) -> bool:
    """Whether the request shows a token that nobody accepts."""
    configs = (unpacked(one.typed_config, JwtAuthentication) for one in manager.http_filters if not one.disabled)
    return not call.claims and any(_shows_token(one, call) for one in configs if one is not None)


def _shows_token(of: JwtAuthentication, call: HttpCall) -> bool:
    for provider in of.providers.values():
        places = [(one.name.lower(), one.value_prefix) for one in provider.from_headers]
        anywhere = places or provider.from_params or provider.from_cookies
        for name, prefix in places if anywhere else [("authorization", "Bearer ")]:
            if any(value.startswith(prefix) for value in values(call, name)):
                return True
        if any(name in parameters(call.path) for name in provider.from_params or (() if anywhere else ("access_token",))):
            return True
        cookies = "; ".join(values(call, "cookie"))
        if any(f"; {name}=" in f"; {cookies}" for name in provider.from_cookies):
            return True
    return False
