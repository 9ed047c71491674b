"""What one proxy asked for, of one type: names, or everything.

Delta xDS: a first request without names is a wildcard, as is the name `*`; names are added to it. Whoever began with names
is never a wildcard by sending none. `initial_resource_versions` comes with the first request of a stream only.
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WILDCARD = "*"


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request adds and takes back. `held` are the versions the proxy has from an earlier stream."""

    first: bool
    names: tuple[str, ...]
    dropped: tuple[str, ...]
    held: Mapping[str, str]


class TooManyNames(Exception):
    """A peer subscribed more names of one type than any proxy can need."""


@dataclass(slots=True)
class Subscription:
    """The subscription of one type on one stream. `names` keeps the order in which they were asked."""

    limit: int = 100_000
    started: bool = False
    wildcard: bool = False
    names: dict[str, None] = field(default_factory=dict)

    def take(self, subscribe: Iterable[str], unsubscribe: Iterable[str], held: Mapping[str, str]) -> Asked:
        """The effect of one request. A name that is asked again is among `names` again: it is to be sent again."""
        first, self.started = not self.started, True
        names = tuple(dict.fromkeys(subscribe))
        if (first and not names) or WILDCARD in names:
            self.wildcard = True
        added = tuple(name for name in names if name != WILDCARD)
        self.names.update(dict.fromkeys(added))
        if len(self.names) > self.limit:
            raise TooManyNames(f"more than {self.limit} names of one type")
        return Asked(first, added, self._drop(unsubscribe), dict(held) if first else {})

    def _drop(self, unsubscribe: Iterable[str]) -> tuple[str, ...]:
        gone = []
        for name in unsubscribe:
            if name == WILDCARD:
                self.wildcard = False
            elif self.names.pop(name, WILDCARD) is None:
                gone.append(name)
        return tuple(gone)
