"""AuthorizationPolicy: who may send what to a workload."""

from typing import Literal

from msgspec import field

from weft.resource.field import Message
from weft.resource.istio.selector import WorkloadSelector

Texts = tuple[str, ...]


class Source(Message, frozen=True, kw_only=True):
    """Who calls. What is given must hold together; of a list any entry. Values may be exact, `prefix*`, `*suffix`, or `*`."""

    principals: Texts = ()
    not_principals: Texts = ()
    request_principals: Texts = ()
    not_request_principals: Texts = ()
    namespaces: Texts = ()
    not_namespaces: Texts = ()
    service_accounts: Texts = ()
    not_service_accounts: Texts = ()
    ip_blocks: Texts = ()
    not_ip_blocks: Texts = ()
    remote_ip_blocks: Texts = ()
    not_remote_ip_blocks: Texts = ()


class From(Message, frozen=True, kw_only=True):
    """One kind of caller."""

    source: Source


class Operation(Message, frozen=True, kw_only=True):
    """What is asked for. Paths may be templates: `{*}` is one segment, `{**}` any number of them."""

    hosts: Texts = ()
    not_hosts: Texts = ()
    ports: Texts = ()
    not_ports: Texts = ()
    methods: Texts = ()
    not_methods: Texts = ()
    paths: Texts = ()
    not_paths: Texts = ()


class To(Message, frozen=True, kw_only=True):
    """One kind of request."""

    operation: Operation


class Condition(Message, frozen=True, kw_only=True):
    """An attribute of the request, and its values. https://istio.io/latest/docs/reference/config/security/conditions/"""

    key: str
    values: Texts = ()
    not_values: Texts = ()


class Rule(Message, frozen=True, kw_only=True):
    """Any of `from`, any of `to` and all of `when`; empty: every request."""

    from_: tuple[From, ...] | None = field(default=None, name="from")
    to: tuple[To, ...] | None = None
    when: tuple[Condition, ...] = ()


class PolicyTargetReference(Message, frozen=True, kw_only=True):
    """What a policy is attached to, in its own namespace."""

    group: str = ""
    kind: str
    name: str
    namespace: str = ""


class ExtensionProvider(Message, frozen=True, kw_only=True):
    """Who decides for CUSTOM: the name of an external authorizer."""

    name: str = ""


class AuthorizationPolicy(Message, frozen=True, kw_only=True):
    """https://istio.io/latest/docs/reference/config/security/authorization-policy/

    Without rules nothing matches: ALLOW then allows nothing.
    """

    selector: WorkloadSelector | None = None
    target_ref: PolicyTargetReference | None = None
    target_refs: tuple[PolicyTargetReference, ...] = ()
    action: Literal["ALLOW", "DENY", "AUDIT", "CUSTOM"] = "ALLOW"
    provider: ExtensionProvider | None = None
    rules: tuple[Rule, ...] = ()
