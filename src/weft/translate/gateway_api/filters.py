"""The filters of the Gateway API's routes. Values of headers are taken as they are: a percent sign begins nothing.

https://gateway-api.sigs.k8s.io/reference/spec/#httproutefilter
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from weft.model.route import NO_EDIT, Cors, Exact, HeaderEdit, Redirect, Regex, Rewrite, StringMatch
from weft.ref import Ref
from weft.resource.gateway_api import route_filter as spec

Filter = spec.HttpRouteFilter | spec.GrpcRouteFilter
FROM_LISTENER = "FROM_LISTENER"
"""A `Redirect.derive_port` that `merge` replaces when the listener is known."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the filters of a rule or a backend come to. `unknown` are those of kinds that nobody knows (where, and what),
    `unsupported` is why no request may pass, or nothing; `mirrors`: whether there are any."""

    request_headers: HeaderEdit = NO_EDIT
    response_headers: HeaderEdit = NO_EDIT
    redirect: Redirect | None = None
    rewrite: Rewrite | None = None
    cors: Cors | None = None
    unknown: tuple[tuple[Ref, str], ...] = ()
    unsupported: str = ""
    mirrors: bool = False


def filters(of: Iterable[Filter], origin: Ref) -> Filters:
    """All filters but mirrors, which name backends."""
    written = tuple(of)
    http = [one for one in written if isinstance(one, spec.HttpRouteFilter)]
    redirects = [one.request_redirect for one in http if one.request_redirect]
    rewrites = [one.url_rewrite for one in http if one.url_rewrite]
    policies = [one.cors for one in http if one.cors]
    unknown = tuple(
        (origin.at(f"filters[{i}].extensionRef"), f"{ref.kind} of {ref.group or 'the core group'}")
        for i, one in enumerate(written)
        if (ref := one.extension_ref)
    )
    return Filters(
        _edit(next((one.request_header_modifier for one in written if one.request_header_modifier), None)),
        _edit(next((one.response_header_modifier for one in written if one.response_header_modifier), None)),
        _redirect(redirects[0]) if redirects else None,
        _rewrite(rewrites[0]) if rewrites else None,
        _cors(policies[0]) if policies else None,
        unknown,
        "the filter ExternalAuth is not supported yet" if any(one.external_auth for one in http) else "",
        any(one.request_mirror for one in written),
    )


def percent(of: spec.HttpRequestMirrorFilter) -> float:
    """The part of the requests that is mirrored, of a hundred."""
    if of.percent is not None:
        return float(of.percent)
    return 100.0 * of.fraction.numerator / of.fraction.denominator if of.fraction else 100.0


def _edit(of: spec.HttpHeaderFilter | None) -> HeaderEdit:
    return HeaderEdit(_pairs(of.set), _pairs(of.add), of.remove) if of else NO_EDIT


def _pairs(of: tuple[spec.HttpHeader, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((one.name, one.value.replace("%", "%%")) for one in of)


def _redirect(of: spec.HttpRequestRedirectFilter) -> Redirect:
    path, prefix = _path(of.path)
    return Redirect(of.scheme or "", of.hostname, of.port, FROM_LISTENER, path, prefix, of.status_code or 302)


def _rewrite(of: spec.HttpUrlRewriteFilter) -> Rewrite:
    path, prefix = _path(of.path)
    return Rewrite(prefix, path, of.hostname)


def _path(of: spec.HttpPathModifier | None) -> tuple[str, str]:
    """(whole path, prefix); one of them, or none. What is empty is `/`."""
    if of is None:
        return "", ""
    if of.type == "ReplaceFullPath":
        return of.replace_full_path or "/", ""
    return "", of.replace_prefix_match or "/"


def _cors(of: spec.HttpCorsFilter) -> Cors:
    return Cors(
        tuple(_origin(one) for one in of.allow_origins),
        of.allow_methods,
        of.allow_headers,
        of.expose_headers,
        float(of.max_age),
        of.allow_credentials,
        forward_unmatched=False,
    )


def _origin(text: str) -> StringMatch:
    """`https://*.example.com` is every host below; `*` alone every origin."""
    if text == "*" or "*" not in text:
        return Exact(text)
    return Regex(".*".join(re.escape(part) for part in text.split("*")))
