"""The rules of TrustDomain: where its bundle comes from, and how who shows it is known."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from weft.resource.field_path import child
from weft.resource.problems import Problems
from weft.resource.weft.trust_domain import BundleEndpoint, TrustDomain
from weft.spiffe_bundle import spiffe_bundle


def trust_domain(name: str, spec: TrustDomain, problems: Problems) -> None:
    """An endpoint or a file, or a bundle that stands here."""
    path = "spec.bundleEndpoint"
    if not (spec.bundle_endpoint or spec.bundle or spec.bundle_file):
        hint = "set bundleEndpoint, bundleFile or bundle: without its roots nobody of the domain is known"
        problems.invalid("spec", "it does not say where the domain's bundle is", hint)
    there = {"bundleEndpoint": spec.bundle_endpoint is not None, "bundleFile": bool(spec.bundle_file)}
    problems.conflict("spec", there, "one of them is the truth")
    if spec.bundle:
        try:
            spiffe_bundle(name, spec.bundle.encode())
        except ValueError as problem:
            problems.invalid("spec.bundle", str(problem), "it is what the domain's bundle endpoint answers")
    if spec.bundle_file and not PurePosixPath(spec.bundle_file).is_absolute():
        problems.invalid("spec.bundleFile", f"{spec.bundle_file} is no absolute path")
    if spec.bundle_endpoint:
        _endpoint(spec.bundle_endpoint, bool(spec.bundle), path, problems)


def _endpoint(of: BundleEndpoint, has_bundle: bool, path: str, problems: Problems) -> None:
    url = urlsplit(of.url)
    if url.scheme != "https" or not url.hostname or url.username is not None:
        problems.invalid(child(path, "url"), f"{of.url[:200]} is no https:// address", "a bundle is told over TLS only")
    if of.profile == "https_web":
        if of.spiffe_id:
            problems.add(
                "no-effect", child(path, "spiffeId"), name="spiffeId", why="https_web asks for the host's certificate", hint=""
            )
        return
    if not of.spiffe_id.startswith("spiffe://") or not of.spiffe_id.removeprefix("spiffe://").partition("/")[2]:
        problems.invalid(child(path, "spiffeId"), "https_spiffe needs the endpoint's SPIFFE ID", "spiffe://DOMAIN/PATH")
    if of.ca_certificates:
        why = "https_spiffe checks with the domain's bundle"
        problems.add("no-effect", child(path, "caCertificates"), name="caCertificates", why=why, hint="")
    if not has_bundle:
        hint = "write what the endpoint answers now, so that its certificate can be checked the first time"
        problems.invalid("spec.bundle", "https_spiffe needs a first bundle", hint)
