"""Where something was said: the operator's resource, and the field inside it.

A `Ref` is carried from the resource through the mesh into every Envoy resource made from it, so that a rejection, a
denial or a finding names the operator's own words instead of ours.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One resource, or one field of it.

    `field` is a path as kubectl prints it (`spec.http[0].route[1].weight`), empty for the whole resource.
    `namespace` is empty for kinds without one.
    """

    group: str
    kind: str
    namespace: str
    name: str
    field: str = ""

    def at(self, field: str) -> "Ref":
        """The same resource at `field`, a path below the one this ref points to."""
        if not self.field or field.startswith("["):
            return replace(self, field=self.field + field)
        return replace(self, field=f"{self.field}.{field}")

    @property
    def resource(self) -> "Ref":
        """The whole resource, without the field."""
        return replace(self, field="")

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}" + (f" {self.field}" if self.field else "")
