"""Gives virtual addresses to ServiceEntries that say none, for `status.addresses`.

What stands in a status is kept, over restarts too, for as long as the entry wants it; nothing else is remembered. An address
follows from the host's name unless somebody has it already.
"""

import logging
from collections.abc import Iterable, Mapping, Set

from weft.controlplane.reconcile import key_of
from weft.model import virtual_address
from weft.ref import Ref
from weft.resource.istio.service_entry import ServiceEntry
from weft.resource.resource import Resource
from weft.store.store import Key
from weft.translate.virtual_addresses import held, range_of, wanting

log = logging.getLogger("weft.controlplane")

_Written = Mapping[str, tuple[tuple[str, Ref], ...]]
_Holder = tuple[Key, str]


class VirtualAddresses:
    """Who has which address."""

    def __init__(self) -> None:
        self._hosts: dict[Key, dict[str, tuple[str, ...]]] = {}
        self._holders: dict[str, _Holder] = {}

    def adopt(self, entries: Iterable[Resource]) -> None:
        """Keeps what stands in the statuses of `entries`; of two that say the same, the older one has it."""
        for entry in sorted(entries, key=lambda one: (one.meta.creation_timestamp, one.ref)):
            if isinstance(entry.spec, ServiceEntry):
                for host, addresses in held(entry, entry.spec).items():
                    if len(addresses) == 2 and self._holders.keys().isdisjoint(addresses):
                        self._take((key_of(entry.ref), host), addresses)

    def of(self, key: Key, entry: Resource | None, written: _Written) -> list[dict[str, str]]:
        """What is to stand in the status of `entry`, and is its own from now on; None: it is gone. `written` are the addresses of
        all services, and who says so."""
        spec = entry.spec if entry and isinstance(entry.spec, ServiceEntry) else None
        hosts = wanting(entry, spec) if entry and spec else ()
        self._release(key, keep=set(hosts))
        if spec is None:
            return []
        where = range_of(spec)
        taken = _Taken(self._holders, written, self._hosts)
        for host in hosts:
            mine = self._hosts.get(key, {}).get(host, ())
            if not all(address in where for address in mine):
                self._drop((key, host))
                mine = ()
            if not mine and (found := virtual_address.free(where, f"{key.namespace}/{host}", taken)):
                self._take((key, host), found)
            elif not mine:
                log.warning('event=no-virtual-address host=%s problem="all of %s are taken"', host, where.v4)
        return [{"value": one, "host": host} for host in hosts for one in self._hosts.get(key, {}).get(host, ())]

    def _release(self, key: Key, keep: Set[str]) -> None:
        for host in self._hosts.get(key, {}).keys() - keep:
            self._drop((key, host))

    def _take(self, holder: _Holder, addresses: tuple[str, ...]) -> None:
        key, host = holder
        self._hosts.setdefault(key, {})[host] = addresses
        self._holders.update(dict.fromkeys(addresses, holder))

    def _drop(self, holder: _Holder) -> None:
        key, host = holder
        for address in self._hosts[key].pop(host):
            del self._holders[address]
        if not self._hosts[key]:
            del self._hosts[key]


class _Taken:
    """The addresses that somebody holds, or wrote."""

    def __init__(self, holders: Mapping[str, _Holder], written: _Written, entries: Mapping[Key, object]) -> None:
        self._holders = holders
        self._written = written
        self._entries = entries

    def __contains__(self, address: object) -> bool:
        if address in self._holders:
            return True
        said = self._written.get(address, ()) if isinstance(address, str) else ()
        return any(key_of(ref) not in self._entries for _, ref in said)
