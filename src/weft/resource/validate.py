"""What the types cannot say: the rules that Istio's and Kubernetes' own validation enforce, kind by kind."""

from weft.resource.problems import Problems
from weft.resource.resource import Resource


def validate(resource: Resource, problems: Problems) -> None:
    """Adds what is wrong in the meaning of `resource` to `problems`."""
