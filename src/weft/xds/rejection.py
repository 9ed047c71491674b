"""A NACK: which resource Envoy refused, why, and which of the operator's resources it was made from.

Envoy names the cluster or listener in most of its errors, and nothing in some (a virtual host's, a validation's). Where
nothing is named, the response is halved and sent again until the offender stands alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from weft.envoy.types import EnvoyResource, TypeUrl
from weft.ref import Ref

_PART_OF_NAME = r"[\w.|/:-]"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One resource that one proxy refused."""

    proxy: str
    type_url: TypeUrl
    name: str
    version: str
    message: str
    origins: tuple[Ref, ...] = ()
    withheld: bool = False  # it was never told to the proxy


def rejection(proxy: str, resource: EnvoyResource, message: str, *, withheld: bool = False) -> Rejection:
    """The rejection of `resource`, with its origins."""
    return Rejection(proxy, resource.type_url, resource.name, resource.version, message, resource.origins, withheld)


def offenders(message: str, names: Sequence[str]) -> tuple[str, ...]:
    """Those of `names` that an error speaks of; the only one there is needs no naming. Empty when it cannot be told."""
    if len(names) == 1:
        return tuple(names)
    return tuple(name for name in names if name in message and _stands_alone(name, message))


def _stands_alone(name: str, message: str) -> bool:
    """Whether `name` is in `message` other than as a part of a longer name. Envoy writes `name: reason`."""
    after = rf"(?!{_PART_OF_NAME}*[\w|/-])(?=:?(?!{_PART_OF_NAME})|:\s)"
    return re.search(rf"(?<!{_PART_OF_NAME}){re.escape(name)}{after}", message) is not None
