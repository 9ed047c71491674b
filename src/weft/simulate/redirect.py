"""Where a redirect sends.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-redirectaction
"""

from envoy.config.route.v3.route_components_pb2 import RedirectAction, Route

from weft.simulate import pattern
from weft.simulate.call import HttpCall
from weft.simulate.path import split

_STATUS = {
    RedirectAction.MOVED_PERMANENTLY: 301,
    RedirectAction.FOUND: 302,
    RedirectAction.SEE_OTHER: 303,
    RedirectAction.TEMPORARY_REDIRECT: 307,
    RedirectAction.PERMANENT_REDIRECT: 308,
}
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def status(of: RedirectAction) -> int:
    """The status it is answered with."""
    return _STATUS[of.response_code]


def location(of: Route, call: HttpCall) -> str:
    """The URL in its answer."""
    to = of.redirect
    scheme = to.scheme_redirect or ("https" if to.https_redirect else call.scheme)
    port = f":{to.port_redirect}" if to.port_redirect else ""
    host = to.host_redirect or _host(call, scheme, bool(port))
    return f"{scheme}://{host}{port}{_path(of, call)}"


def _host(call: HttpCall, scheme: str, another_port: bool) -> str:
    """The Host of the request; its port goes when another is written, or when it was only the old scheme's default."""
    host, colon, port = call.authority.rpartition(":")
    if not colon or not port.isdigit():
        return call.authority
    only_default = scheme != call.scheme and port == _DEFAULT_PORTS[call.scheme]
    return host if another_port or only_default else call.authority


def _path(of: Route, call: HttpCall) -> str:
    to, (path, query) = of.redirect, split(call.path)
    kept = "" if to.strip_query else query
    if to.path_redirect:
        return str(to.path_redirect) + ("" if "?" in to.path_redirect else kept)
    if to.prefix_rewrite:
        return str(to.prefix_rewrite) + path[len(matched_path(of, path)) :] + kept
    if to.HasField("regex_rewrite"):
        return pattern.replaced(to.regex_rewrite.pattern.regex, path, to.regex_rewrite.substitution) + kept
    return path + kept


def matched_path(of: Route, path: str) -> str:
    """The part of `path` that the route's match was about: its prefix, else all of it."""
    match of.match.WhichOneof("path_specifier"):
        case "prefix":
            return path[: len(of.match.prefix)]
        case "path_separated_prefix":
            return path[: len(of.match.path_separated_prefix)]
    return path
