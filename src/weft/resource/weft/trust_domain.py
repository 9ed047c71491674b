"""TrustDomain: another trust domain, that the mesh is federated with: its workloads are known by certificates of its own
authority."""

from typing import Annotated, Literal

from msgspec import Meta

from weft.resource.field import Message

_KNOWN = "How it is known: by an X.509-SVID of spiffeId, checked with the bundle that is held, or by a certificate for its host."
_AUTHORITIES = (
    "With https_web: a PEM file on the control plane's machine with the authorities of the endpoint; without it the system's."
)
_BUNDLE = (
    "A SPIFFE bundle document (JSON). Beside bundleEndpoint: the first one, that the endpoint's own certificate is checked with."
)
_FILE = "A file with the same, or with PEM certificates, on the control plane's machine; it is read again."


class BundleEndpoint(Message, frozen=True, kw_only=True):
    """Where the domain shows its bundle (https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Federation.md)."""

    url: Annotated[str, Meta(description="An https:// address.")]
    profile: Annotated[Literal["https_spiffe", "https_web"], Meta(description=_KNOWN)] = "https_spiffe"
    spiffe_id: Annotated[str, Meta(description="With https_spiffe: whose certificate the endpoint shows.")] = ""
    ca_certificates: Annotated[str, Meta(description=_AUTHORITIES)] = ""


class TrustDomain(Message, frozen=True, kw_only=True):
    """The trust domain that is called like the resource. Its bundle is polled from `bundleEndpoint`, or is read from a file or
    stands here; the last one that was good is kept."""

    bundle_endpoint: BundleEndpoint | None = None
    bundle: Annotated[str, Meta(description=_BUNDLE)] = ""
    bundle_file: Annotated[str, Meta(description=_FILE)] = ""
