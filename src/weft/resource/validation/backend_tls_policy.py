"""The rules of BackendTLSPolicy, as its CustomResourceDefinition enforces them."""

from weft.resource import names
from weft.resource.field_path import below, child, item
from weft.resource.gateway_api.backend_tls_policy import BackendTlsPolicy, SubjectAltName
from weft.resource.problems import Problems
from weft.resource.validation.gateway_api import hostname
from weft.resource.validation.labels import duplicates

_MOST_TARGETS, _MOST_REFERENCES, _MOST_NAMES = 16, 8, 5
_VALIDATION = "spec.validation"


def backend_tls_policy(spec: BackendTlsPolicy, problems: Problems) -> None:
    """Targets, each once; one kind of authorities; names."""
    _targets(spec, problems)
    said = spec.validation
    system = said.well_known_ca_certificates
    given = {"caCertificateRefs": bool(said.ca_certificate_refs), "wellKnownCACertificates": bool(system)}
    if not problems.conflict(_VALIDATION, given) and not any(given.values()):
        problems.invalid(_VALIDATION, "caCertificateRefs or wellKnownCACertificates is needed", "wellKnownCACertificates: System")
    if system and system != "System":
        place = child(_VALIDATION, "wellKnownCACertificates")
        problems.add("unsupported-value", place, value=system, effect="what is sent there fails", hint="System")
    if len(said.ca_certificate_refs) > _MOST_REFERENCES:
        problems.invalid(child(_VALIDATION, "caCertificateRefs"), f"at most {_MOST_REFERENCES} are allowed")
    if "*" in said.hostname:
        problems.invalid(child(_VALIDATION, "hostname"), f"{said.hostname[:80]!r} is a wildcard, and one name is needed")
    else:
        problems.invalid(child(_VALIDATION, "hostname"), hostname(said.hostname))
    if len(said.subject_alt_names) > _MOST_NAMES:
        problems.invalid(child(_VALIDATION, "subjectAltNames"), f"at most {_MOST_NAMES} are allowed")
    for index, name in enumerate(said.subject_alt_names):
        _name(name, item(child(_VALIDATION, "subjectAltNames"), index), problems)


def _targets(spec: BackendTlsPolicy, problems: Problems) -> None:
    path = "spec.targetRefs"
    if not spec.target_refs:
        problems.add("missing-field", path, name="targetRefs")
    if len(spec.target_refs) > _MOST_TARGETS:
        problems.invalid(path, f"{len(spec.target_refs)} targets: at most {_MOST_TARGETS} are allowed")
    for index, one in enumerate(spec.target_refs):
        problems.invalid(below(item(path, index), "name"), names.subdomain(one.name))
        if (one.group, one.kind) != ("", "Service"):
            effect = "the policy does not hold for it"
            value = f"{one.kind} of {one.group}" if one.group else one.kind
            problems.add("unsupported-value", below(item(path, index), "kind"), value=value, effect=effect, hint="kind: Service")
    whole = [(f"{one.kind} {one.name} {one.section_name}".strip(), item(path, i)) for i, one in enumerate(spec.target_refs)]
    duplicates(whole, "the target", problems)


def _name(of: SubjectAltName, path: str, problems: Problems) -> None:
    wanted, other = ("hostname", "uri") if of.type == "Hostname" else ("uri", "hostname")
    if not getattr(of, wanted):
        problems.add("missing-field", child(path, wanted), name=f"{wanted} (type {of.type})")
    if getattr(of, other):
        problems.invalid(child(path, other), f"type {of.type} has no {other}")
    if of.hostname:
        problems.invalid(child(path, "hostname"), hostname(of.hostname))
