"""BackendTLSPolicy: how proxies speak TLS to a Service that has no sidecar, and whom they trust there."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import field

from weft.resource.field import Message, unsupported
from weft.resource.gateway_api.reference import LocalObjectReference


class PolicyTargetReference(Message, frozen=True, kw_only=True):
    """A Service of the policy's namespace; `section_name` is the name of one port of it."""

    group: str
    kind: str
    name: str
    section_name: str = ""


class SubjectAltName(Message, frozen=True, kw_only=True):
    """A name that the backend's certificate may have."""

    type: Literal["Hostname", "URI"]
    hostname: str = ""
    uri: str = ""


class BackendTlsValidation(Message, frozen=True, kw_only=True):
    """`hostname` is asked for by SNI, and must be the certificate's unless `subject_alt_names` say otherwise. Authorities are
    those of ConfigMaps and Secrets (`ca.crt`), or the system's."""

    ca_certificate_refs: tuple[LocalObjectReference, ...] = ()
    well_known_ca_certificates: str | None = field(default=None, name="wellKnownCACertificates")
    hostname: str
    subject_alt_names: tuple[SubjectAltName, ...] = ()


class BackendTlsPolicy(Message, frozen=True, kw_only=True):
    """https://gateway-api.sigs.k8s.io/reference/spec/#backendtlspolicy"""

    target_refs: tuple[PolicyTargetReference, ...] = ()
    validation: BackendTlsValidation
    options: Annotated[Mapping[str, str], unsupported("this mesh has none")] = {}
