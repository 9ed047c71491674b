"""WorkloadGroups, and the WorkloadEntries that they are the template of, kept up to date.

An entry says by its annotation of which group of its namespace it is; so does the entry of a workload that an agent registered
and that joins a group. What it does not say itself it has from the group.
https://istio.io/latest/docs/reference/config/networking/workload-group/
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from msgspec import structs

from weft.finding import Finding
from weft.messages import finding
from weft.model.endpoint import locality
from weft.model.labels import labels
from weft.model.workload import Proxy
from weft.ref import Ref
from weft.resource.istio.workload_entry import WorkloadEntry
from weft.resource.istio.workload_group import TemplateMetadata, WorkloadGroup
from weft.resource.resource import Resource
from weft.translate.draft import Buckets, Draft
from weft.translate.endpoints import PORTS, workload_entry
from weft.translate.statement import Statement

GROUP = "istio.io/autoRegistrationGroup"


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups by `namespace/name`, the entries that name one, and which entries name which group."""

    groups: Mapping[str, Resource] = field(default_factory=dict)
    entries: Mapping[Ref, Resource] = field(default_factory=dict)
    members: Mapping[str, frozenset[Ref]] = field(default_factory=dict)


class GroupsDraft:
    """Groups while they change. Call `replace` for every change, then `touched`."""

    def __init__(self, base: Groups) -> None:
        self._groups = Draft(base.groups)
        self._entries = Draft(base.entries)
        self._members = Buckets(base.members)
        self._touched: dict[Ref, None] = {}

    def replace(self, ref: Ref, new: Resource | None) -> bool:
        """The resource `ref` is `new` from now on. Answers whether it is an entry of a group: `touched` then has it."""
        if old := self._entries.get(ref):
            self._members.discard(group_key(old), ref)
        entry = new if new and isinstance(new.spec, WorkloadEntry) and group_key(new) else None
        self._entries.put(ref, entry)
        if entry:
            self._members.add(group_key(entry), ref)
            self._touched[ref] = None
        if ref.kind == "WorkloadGroup":
            self._groups.put(f"{ref.namespace}/{ref.name}", new)
            self._touched.update(dict.fromkeys(sorted(self._members.get(f"{ref.namespace}/{ref.name}"))))
        return entry is not None

    def touched(self) -> Iterable[tuple[Resource, Resource | None]]:
        """The entries to read again, each with its group."""
        found = (entry for ref in self._touched if (entry := self._entries.get(ref)))
        return [(entry, self._groups.get(group_key(entry))) for entry in found]

    def frozen(self) -> Groups:
        """The groups to keep."""
        return Groups(self._groups.frozen(), self._entries.frozen(), self._members.frozen())


def group_key(entry: Resource) -> str:
    """`namespace/name` of the group that a WorkloadEntry names; empty for none."""
    name = entry.meta.annotations.get(GROUP, "")
    return f"{entry.meta.namespace}/{name}" if name else ""


def member(entry: Resource, group: Resource | None) -> Statement:
    """A WorkloadEntry with what its group says for it."""
    assert isinstance(entry.spec, WorkloadEntry)
    at = entry.ref.at(f'metadata.annotations["{GROUP}"]')
    if group is None or not isinstance(group.spec, WorkloadGroup):
        problem = finding("unknown-workload-group", at, group=group_key(entry))
        return replace(workload_entry(entry, entry.spec), findings=(problem,))
    own, account = entry.spec, group.spec.template.service_account
    found: tuple[Finding, ...] = ()
    if account and own.service_account and account != own.service_account:
        what = f"the account of the entry is {own.service_account}, that of its group {account}"
        found = (finding("conflict", at, what=what, other=group.ref, hint="an entry's own account holds"),)
    said = workload_entry(entry, _inherited(own, group.spec))
    return replace(_listening(said, entry, own, group.spec), findings=found)


def _listening(said: Statement, entry: Resource, own: WorkloadEntry, of: WorkloadGroup) -> Statement:
    """The statement with the group's ports as the entry's sidecar serves them, when one listens for it: a port that it knows by
    the number is where the sidecar listens, any other is nowhere."""
    if said.instance is None or PORTS not in entry.meta.annotations:
        return said
    ports, numbers = dict(own.ports), dict(said.instance.numbers)
    for name, number in of.template.ports.items():
        meant = next((one for one, known in said.instance.numbers if number in known and one in own.ports), "")
        if meant and name not in ports:
            ports[name], numbers[name] = own.ports[meant], numbers[meant]
    instance = replace(said.instance, ports=tuple(sorted(ports.items())), numbers=tuple(sorted(numbers.items())))
    return replace(said, instance=instance)


def joined(proxy: Proxy, group: Resource | None) -> Proxy:
    """A proxy beside a workload of `group`: the labels and the place of the group are its own where it says none."""
    if group is None or not isinstance(group.spec, WorkloadGroup):
        return proxy
    work, template, more = proxy.workload, group.spec.template, group.spec.metadata or TemplateMetadata()
    return replace(
        proxy,
        workload=replace(
            work,
            labels=labels({**more.labels, **template.labels, **dict(work.labels)}),
            locality=work.locality if str(work.locality) else locality(template.locality),
            network=work.network or template.network,
        ),
    )


def _inherited(entry: WorkloadEntry, of: WorkloadGroup) -> WorkloadEntry:
    template, more = of.template, of.metadata or TemplateMetadata()
    return structs.replace(
        entry,
        labels={**more.labels, **template.labels, **entry.labels},
        ports={**template.ports, **entry.ports},
        network=entry.network or template.network,
        locality=entry.locality or template.locality,
        weight=template.weight if entry.weight is None else entry.weight,
        service_account=entry.service_account or template.service_account,
    )
