"""What a kind is: its names in the API, its versions, the struct of its body, and the columns kubectl shows."""

from dataclasses import dataclass

from weft.resource.field import Message


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`. `path` is a JSON path; `priority` above 0 shows only with `-o wide`. `type` is one of
    string, integer, number, boolean, date."""

    title: str
    path: str
    priority: int = 0
    type: str = "string"


AGE = Column("Age", ".metadata.creationTimestamp", type="date")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource. All `versions` (the preferred first) have the same fields and are one object in the store.

    `type` is the struct of the body: of the field `spec`, or, where `body` is empty, of what stands beside `metadata`.
    """

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    singular: str
    type: type[Message]
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    columns: tuple[Column, ...] = (AGE,)
    categories: tuple[str, ...] = ()
    body: str = "spec"
    body_required: bool = False

    @property
    def resource(self) -> str:
        """`virtualservices.networking.istio.io`; for the core group the plural alone. The store's name of the kind."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_versions(self) -> tuple[str, ...]:
        """The values of `apiVersion`, the preferred first."""
        return tuple(f"{self.group}/{version}" if self.group else version for version in self.versions)

    @property
    def api_version(self) -> str:
        """The preferred value of `apiVersion`."""
        return self.api_versions[0]

    def __str__(self) -> str:
        return f"{self.api_version} {self.kind}"
