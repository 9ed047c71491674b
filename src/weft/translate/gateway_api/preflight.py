"""Preflights of a CORS filter that allows any method or header, and credentials: then `*` is no answer (it means the character),
and what was asked for is repeated. Envoy's filter cannot; a route before the rule's own answers.

https://fetch.spec.whatwg.org/#cors-protocol-and-credentials, https://gateway-api.sigs.k8s.io/reference/spec/#httpcorsfilter
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from weft.model.route import (
    Cors,
    DirectResponse,
    Exact,
    HeaderEdit,
    HttpMatch,
    HttpRoute,
    NamedMatch,
    Present,
    Regex,
    StringMatch,
)

_METHOD, _HEADERS = "access-control-request-method", "access-control-request-headers"


def with_preflight(rule: HttpRoute) -> Iterator[HttpRoute]:
    """The rule, behind the answer to its preflights where that needs a route of its own."""
    cors = rule.cors
    if cors and cors.allow_credentials and ("*" in cors.allow_methods or "*" in cors.allow_headers):
        matches = tuple(_asking(match, cors) for match in rule.matches if match.method in (None, Exact("OPTIONS")))
        if matches:
            name = f"{rule.name}-preflight" if rule.name else ""
            yield HttpRoute(DirectResponse(200), rule.origin, name, matches, response_headers=_answer(cors))
    yield rule


def _asking(match: HttpMatch, cors: Cors) -> HttpMatch:
    wanted = (NamedMatch(_METHOD, Present()), NamedMatch("origin", _origins(cors.allow_origins)))
    return replace(match, method=Exact("OPTIONS"), headers=(*match.headers, *wanted))


def _origins(of: tuple[StringMatch, ...]) -> Regex | Present:
    if Exact("*") in of:
        return Present()
    return Regex("|".join(one.value if isinstance(one, Regex) else re.escape(one.value) for one in of))


def _answer(of: Cors) -> HeaderEdit:
    said = (
        ("access-control-allow-origin", "%REQ(ORIGIN)%"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", f"%REQ({_METHOD})%" if "*" in of.allow_methods else ", ".join(of.allow_methods)),
        ("access-control-allow-headers", f"%REQ({_HEADERS})%" if "*" in of.allow_headers else ", ".join(of.allow_headers)),
        ("access-control-expose-headers", ", ".join(of.expose_headers)),
        ("access-control-max-age", str(int(of.max_age)) if of.max_age is not None else ""),
    )
    return HeaderEdit(tuple((name, value) for name, value in said if value))
