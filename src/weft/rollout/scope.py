"""For whom something is done: the mesh, a namespace, or the instances of one workload."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """A part of the mesh. Empty: all of it. `workload` is the value of the label `app`."""

    namespace: str = ""
    workload: str = ""

    def covers(self, namespace: str, app: str) -> bool:
        """Whether the instances with this label in this namespace belong to it."""
        return self.namespace in ("", namespace) and self.workload in ("", app)

    def __str__(self) -> str:
        if not self.namespace:
            return "mesh"
        return f"{self.namespace}/{self.workload}" if self.workload else self.namespace


def scope(text: str) -> Scope:
    """The scope written `mesh`, `NAMESPACE` or `NAMESPACE/WORKLOAD`. Raises ValueError."""
    if text in ("", "mesh"):
        return Scope()
    namespace, slash, workload = text.partition("/")
    if not namespace or (slash and not workload) or "/" in workload:
        raise ValueError(f"a scope is mesh, NAMESPACE or NAMESPACE/WORKLOAD: {text!r}")
    return Scope(namespace, workload)
