"""What `advance` remembers beside the mesh, so that a change finds what it concerns without a search."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from weft.model.traffic import ServicePolicy
from weft.ref import Ref
from weft.translate.attach import Attachments
from weft.translate.delegation import Delegation
from weft.translate.gateway_api.backend_tls import TlsPolicies
from weft.translate.gateway_api.draft import GatewayApi
from weft.translate.statement import Statement
from weft.translate.workload_groups import Groups

Shelf = tuple[str, str]  # kind, namespace


def shelf(ref: Ref) -> Shelf:
    """Where the statement of a resource stands."""
    return f"{ref.kind}.{ref.group}", ref.namespace


WORKLOADS = "WorkloadEntry.networking.istio.io"


@dataclass(frozen=True, slots=True)
class Index:
    """`statements` by shelf and name. `rules` are the DestinationRules of a host before they are merged, the older first.
    `referrers` are the resources that name a host, `gateway_referrers` those that name a gateway,
    `credential_referrers` those that name a Secret; `unknown` are the hosts
    that were named and are not there. `api` is the Gateway API's part; `delegation` says which VirtualServices are read
    together, `groups` which WorkloadEntries have a template; `slices` are the EndpointSlices of a host."""

    statements: Mapping[Shelf, Mapping[str, Statement]] = field(default_factory=dict)
    rules: Mapping[str, tuple[ServicePolicy, ...]] = field(default_factory=dict)
    attachments: Attachments = Attachments()
    referrers: Mapping[str, frozenset[Ref]] = field(default_factory=dict)
    gateway_referrers: Mapping[str, frozenset[Ref]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    api: GatewayApi = GatewayApi()
    tls_policies: TlsPolicies = TlsPolicies()
    credential_referrers: Mapping[str, frozenset[Ref]] = field(default_factory=dict)
    delegation: Delegation = Delegation()
    groups: Groups = Groups()
    slices: Mapping[str, frozenset[Ref]] = field(default_factory=dict)
