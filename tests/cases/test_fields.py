"""Every field that weft says it supports is used by a story, and so is shown on a real Envoy.

A field is a field of a structure: one that stands in several places of a kind is told once.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from story import CASES

from weft.cli.supported import fields, has_effect
from weft.resource.kind import Kind
from weft.resource.kinds import KINDS
from weft.resource.record import Record, record
from weft.resource.shape import Sequence, Shape, Table

TRAFFIC = (
    "VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "WorkloadEntry", "WorkloadGroup", "Sidecar", "EnvoyFilter",
    "HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "ListenerSet", "ReferenceGrant", "BackendTLSPolicy",
    "GatewayClass",
)  # fmt: skip
"""The kinds that decide where calls go; but UDPRoute: stories call over TCP."""

_SIDECAR_TLS = (
    "httpsRedirect", "caCertificates", "caCrl", "credentialName", "credentialNames", "caCertCredentialName", "tlsCertificates",
    "subjectAltNames", "verifyCertificateSpki", "verifyCertificateHash", "minProtocolVersion", "maxProtocolVersion",
    "cipherSuites",
)  # fmt: skip
_SIDECAR_POOL = ("TcpSettings.idleTimeout", "HttpSettings.h2UpgradePolicy", "HttpSettings.useClientProtocol",
                 "HttpSettings.maxConcurrentStreams")  # fmt: skip

ELSEWHERE: dict[str, str] = {
    "EnvoyFilter TargetReference.namespace": "it is refused when it is written",
    "WorkloadGroup WorkloadEntry.address": "it is refused when it is written",
    **{f"Sidecar ServerTlsSettings.{one}": "the same structure is told of Gateways" for one in _SIDECAR_TLS},
    **{
        f"Sidecar TlsCertificate.{one}": "the same structure is told of Gateways"
        for one in ("serverCertificate", "privateKey", "caCertificates")
    },
    **{f"Sidecar {one}": "the same structure is told of DestinationRules" for one in _SIDECAR_POOL},
}
"""Fields that no story can use, by kind, structure and field, and why."""


def _used(shape: Shape, value: Any) -> Iterator[str]:
    """The fields that `value` has."""
    if isinstance(shape, Sequence | Table):
        inside = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
        for one in inside:
            yield from _used(shape.of, one)
    elif isinstance(shape, Record) and isinstance(value, dict):
        for field in shape.fields.values():
            if field.name in value:
                yield f"{shape.type.__name__}.{field.name}"
                yield from _used(field.shape, value[field.name])


@cache
def told() -> dict[str, frozenset[str]]:
    """What stories use, by kind and group."""
    found: dict[str, set[str]] = {}
    for file in CASES.glob("*/resources.yaml"):
        for raw in yaml.safe_load_all(file.read_text()):
            for kind in KINDS:
                if raw and kind.kind == raw.get("kind") and raw.get("apiVersion") in kind.api_versions:
                    found.setdefault(kind.resource, set()).update(_used(record(kind.type), raw.get(kind.body) or {}))
    return {name: frozenset(used) for name, used in found.items()}


def _untold(kind: Kind) -> list[str]:
    supported = [f"{owner}.{field.name}" for _, owner, field in fields(kind) if has_effect(field)]
    used = told().get(kind.resource, frozenset())
    return [one for one in supported if one not in used and f"{kind.kind} {one}" not in ELSEWHERE]


@pytest.mark.parametrize("kind", [one for one in KINDS if one.kind in TRAFFIC], ids=lambda kind: kind.resource)
def test_every_supported_field_is_in_a_story(kind: Kind) -> None:
    """A field that is in none is not shown to work."""
    assert _untold(kind) == [], "use it in a story of tests/cases, or say in ELSEWHERE why none can"


def test_what_is_excused_is_needed() -> None:
    """A field with a reason not to be in a story is supported, and in none."""
    known = {f"{kind.kind} {owner}.{field.name}" for kind in KINDS for _, owner, field in fields(kind) if has_effect(field)}
    used = {f"{kind.kind} {one}" for kind in KINDS for one in told().get(kind.resource, ())}
    assert {one for one in ELSEWHERE if one not in known or one in used} == set()
