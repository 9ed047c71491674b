"""Accept headers and Warning headers."""

import pytest

from weft.controlplane.api.media import chosen, json, table
from weft.controlplane.api.status import Refused, warning
from weft.finding import Finding, Severity
from weft.ref import Ref


@pytest.mark.parametrize(
    ("accept", "choice"),
    [
        ("", 1),
        ("*/*", 1),
        ("application/json", 1),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", 0),
        ("application/json;as=Table;v=v9;g=meta.k8s.io, application/json", 1),
        ("application/json;as=Table;v=v1;g=meta.k8s.io;q=0.5, application/json;q=0.9", 1),
        ("application/vnd.kubernetes.protobuf,application/json", 1),
        ("text/html;q=nonsense, application/*", 1),
    ],
)
def test_the_preferred_alternative_that_is_served_is_chosen(accept: str, choice: int) -> None:
    """The first by quality, then by order."""
    assert chosen(accept, [table, json]) == choice


def test_what_is_not_served_is_refused() -> None:
    """No alternative: 406."""
    with pytest.raises(Refused, match="only application/json"):
        chosen("application/vnd.kubernetes.protobuf", [table, json])


def test_yaml_of_a_hint_is_one_line_in_a_warning() -> None:
    """A header has one line, and what is to be pasted can be."""
    ref = Ref("g", "K", "ns", "n")
    hint = "apply this Service:\nkind: Service\nspec:\n  ports: [{port: 80}]"
    told = warning(Finding("c", Severity.WARNING, ref, "m", hint))
    assert told.endswith('; hint: apply this Service: {"kind": "Service", "spec": {"ports": [{"port": 80}]}}')
    assert warning(Finding("c", Severity.WARNING, ref, "m", "read on\nthere")).endswith("read on\nthere")
