"""Namespace: a scope for names and for policy."""

from weft.resource.field import Message


class Namespace(Message, frozen=True, kw_only=True):
    """https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/namespace-v1/"""

    finalizers: tuple[str, ...] = ()
