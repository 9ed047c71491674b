"""The matches of a VirtualService's rules.

An empty StringMatch of a header or query parameter asks only that it is there; so, of a header, does an empty value.
"""

from collections.abc import Iterator, Mapping

from weft.model import route as model
from weft.model.labels import labels
from weft.resource.istio import virtual_service as spec
from weft.resource.istio.claim import claim_keys
from weft.translate.naming import gateway_names


def string_match(of: spec.StringMatch | None) -> model.StringMatch | None:
    """None: nothing is compared."""
    if of is None:
        return None
    if of.exact is not None:
        return model.Exact(of.exact)
    if of.prefix is not None:
        return model.Prefix(of.prefix)
    return None if of.regex is None else model.Regex(of.regex)


def http_match(of: spec.HttpMatch, namespace: str) -> model.HttpMatch:
    """One match of an HTTP rule of a VirtualService in `namespace`."""
    headers = tuple(map(_header, (*named(of.headers), *named(of.without_headers, invert=True))))
    return model.HttpMatch(
        string_match(of.uri),
        of.ignore_uri_case,
        string_match(of.scheme),
        string_match(of.method),
        string_match(of.authority),
        headers,
        tuple(_parameters(of.query_params)),
        of.port,
        gateway_names(of.gateways, namespace),
        labels(of.source_labels),
        of.source_namespace,
        of.stat_prefix,
    )


def named(of: Mapping[str, spec.StringMatch], *, invert: bool = False) -> Iterator[model.NamedMatch]:
    """Matches of headers or query parameters by their names."""
    for name, value in sorted(of.items()):
        match = string_match(value)
        present = match is None or match.value == ""
        yield model.NamedMatch(name, model.Present() if match is None or present else match, invert)


def _header(of: model.NamedMatch) -> model.NamedMatch | model.ClaimMatch:
    """A claim is written as if it were a header.
    https://istio.io/latest/docs/tasks/security/authentication/jwt-route/"""
    keys = claim_keys(of.name)
    return model.ClaimMatch(keys, of.value, of.invert) if keys else of


def _parameters(of: Mapping[str, spec.StringMatch]) -> Iterator[model.NamedMatch]:
    """`exact: ""` is that of `?key`."""
    for name, value in sorted(of.items()):
        match = string_match(value)
        yield model.NamedMatch(name, model.Present() if match is None else match)


def l4_match(of: spec.TcpMatch | spec.TlsMatch, namespace: str) -> model.L4Match:
    """One match of a TCP or TLS rule."""
    return model.L4Match(
        tuple(host.lower().removesuffix(".") for host in of.sni_hosts) if isinstance(of, spec.TlsMatch) else (),
        of.destination_subnets,
        of.port,
        gateway_names(of.gateways, namespace),
        labels(of.source_labels),
        of.source_namespace,
        (of.source_subnet,) if isinstance(of, spec.TcpMatch) and of.source_subnet else (),
    )
