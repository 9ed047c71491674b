"""The rules of filters and backends of the Gateway API's routes."""

from weft.resource import names
from weft.resource.field import Message
from weft.resource.field_path import below, child, item
from weft.resource.gateway_api.grpc_route import GrpcBackendRef
from weft.resource.gateway_api.http_route import HttpBackendRef
from weft.resource.gateway_api.l4_rule import BackendRef
from weft.resource.gateway_api.reference import BackendObjectReference
from weft.resource.gateway_api.route_filter import (
    GrpcRouteFilter,
    HttpCorsFilter,
    HttpHeaderFilter,
    HttpPathModifier,
    HttpRequestMirrorFilter,
    HttpRequestRedirectFilter,
    HttpRouteFilter,
)
from weft.resource.problems import Problems
from weft.resource.validation import header_value
from weft.resource.validation.gateway_api import hostname

_FIELDS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestMirror": "requestMirror",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "CORS": "cors",
    "ExternalAuth": "externalAuth",
    "ExtensionRef": "extensionRef",
}
_REPEATABLE = ("RequestMirror", "ExtensionRef")
_REDIRECTS = (301, 302, 303, 307, 308)


def filters(all_of_it: tuple[HttpRouteFilter | GrpcRouteFilter, ...], path: str, problems: Problems) -> None:
    """Each with the field of its type and no other; most types only once."""
    seen: set[str] = set()
    for index, one in enumerate(all_of_it):
        place = item(path, index)
        _of_type(one, place, problems)
        _filter(one, place, problems)
        if one.type in seen and one.type not in _REPEATABLE:
            problems.add("duplicate", child(place, "type"), what="the filter", name=one.type, hint="one of a type is enough")
        seen.add(one.type)


def _of_type(one: HttpRouteFilter | GrpcRouteFilter, path: str, problems: Problems) -> None:
    given: dict[str, Message | None] = {
        "RequestHeaderModifier": one.request_header_modifier,
        "ResponseHeaderModifier": one.response_header_modifier,
        "RequestMirror": one.request_mirror,
        "ExtensionRef": one.extension_ref,
    }
    if isinstance(one, HttpRouteFilter):
        given |= {
            "RequestRedirect": one.request_redirect,
            "URLRewrite": one.url_rewrite,
            "CORS": one.cors,
            "ExternalAuth": one.external_auth,
        }
    for type, value in given.items():
        name = _FIELDS[type]
        if value is None and type == one.type:
            problems.add("missing-field", child(path, name), name=f"{name} (type {type})")
        elif value is not None and type != one.type:
            problems.invalid(child(path, name), f"{name} has no place in a filter of type {one.type}", f"type: {type}")


def _filter(one: HttpRouteFilter | GrpcRouteFilter, path: str, problems: Problems) -> None:
    for name, edit in (
        ("requestHeaderModifier", one.request_header_modifier),
        ("responseHeaderModifier", one.response_header_modifier),
    ):
        if edit is not None:
            _headers(edit, child(path, name), problems)
    if one.request_mirror is not None:
        _mirror(one.request_mirror, child(path, "requestMirror"), problems)
    if not isinstance(one, HttpRouteFilter):
        return
    if one.request_redirect is not None:
        _redirect(one.request_redirect, child(path, "requestRedirect"), problems)
    if one.url_rewrite is not None:
        place = child(path, "urlRewrite")
        problems.invalid(child(place, "hostname"), hostname(one.url_rewrite.hostname) if one.url_rewrite.hostname else "")
        _modifier(one.url_rewrite.path, child(place, "path"), problems)
    if one.cors is not None:
        _cors(one.cors, child(path, "cors"), problems)


def _headers(edit: HttpHeaderFilter, path: str, problems: Problems) -> None:
    for verb, entries in (("set", edit.set), ("add", edit.add)):
        for index, one in enumerate(entries):
            place = item(child(path, verb), index)
            problems.invalid(child(place, "name"), names.header(one.name))
            problems.invalid(child(place, "value"), header_value.forbidden(one.value))
    for index, name in enumerate(edit.remove):
        problem = names.header(name) or ("Host cannot be removed" if name.lower() in ("host", ":authority") else "")
        problems.invalid(item(child(path, "remove"), index), problem)


def _mirror(mirror: HttpRequestMirrorFilter, path: str, problems: Problems) -> None:
    backend(mirror.backend_ref, child(path, "backendRef"), problems)
    problems.conflict(path, {"percent": mirror.percent is not None, "fraction": mirror.fraction is not None})
    if (part := mirror.fraction) is not None and (part.denominator < 1 or not 0 <= part.numerator <= part.denominator):
        problems.invalid(child(path, "fraction"), f"{part.numerator} of {part.denominator} is not a part of the requests")


def _redirect(redirect: HttpRequestRedirectFilter, path: str, problems: Problems) -> None:
    problems.invalid(child(path, "hostname"), hostname(redirect.hostname) if redirect.hostname else "")
    if redirect.status_code not in (None, *_REDIRECTS):
        problem = f"{redirect.status_code} is not the status of a redirect"
        problems.invalid(child(path, "statusCode"), problem, "one of " + ", ".join(map(str, _REDIRECTS)))
    _modifier(redirect.path, child(path, "path"), problems)


def _modifier(modifier: HttpPathModifier | None, path: str, problems: Problems) -> None:
    if modifier is None:
        return
    given = {"ReplaceFullPath": modifier.replace_full_path, "ReplacePrefixMatch": modifier.replace_prefix_match}
    for type, value in given.items():
        name = type[0].lower() + type[1:]
        if value is None and type == modifier.type:
            problems.add("missing-field", child(path, name), name=f"{name} (type {type})")
        elif value is not None and type != modifier.type:
            problems.invalid(child(path, name), f"{name} has no place in a path of type {modifier.type}", f"type: {type}")
        problems.invalid(child(path, name), header_value.forbidden(value or ""))


def _cors(cors: HttpCorsFilter, path: str, problems: Problems) -> None:
    for index, origin in enumerate(cors.allow_origins):
        if origin != "*" and "://" not in origin:
            problem = f"{origin[:80]!r} is not an origin: a scheme, a host, perhaps a port"
            problems.invalid(item(child(path, "allowOrigins"), index), problem, f"https://{origin}")
    if cors.max_age < 1:
        problems.invalid(child(path, "maxAge"), f"{cors.max_age} is not at least 1 second")
    for name, values in (("allowOrigins", cors.allow_origins), ("allowMethods", cors.allow_methods)):
        if "*" in values and len(values) > 1:
            problems.invalid(child(path, name), "* stands alone")


def backend(to: BackendObjectReference | HttpBackendRef | GrpcBackendRef | BackendRef, path: str, problems: Problems) -> None:
    """A Service is named with its port."""
    if (to.group, to.kind) == ("", "Service"):
        problems.invalid(child(path, "name"), names.label(to.name))
        if to.port is None:
            problems.add("missing-field", below(path, "port"), name="port (of a Service)")
    if to.namespace:
        problems.invalid(child(path, "namespace"), names.label(to.namespace))
