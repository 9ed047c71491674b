"""ProxyConfig: what is taken, and what is said of the rest."""

from typing import Any

from weft.resource.decode import decode


def _found(**spec: Any) -> set[tuple[str, str]]:
    raw = {"apiVersion": "networking.istio.io/v1beta1", "kind": "ProxyConfig", "metadata": {"name": "x"}, "spec": spec}
    return {(one.code, one.ref.field) for one in decode(raw).findings}


def test_threads_and_variables_are_taken() -> None:
    """The image is a finding: there is none."""
    said = {"selector": {"matchLabels": {"app": "web"}}, "concurrency": 2, "environmentVariables": {"A_1": "b"}}
    assert _found(**said) == set()
    assert _found(image={"imageType": "distroless"}) == {("unsupported-field", "spec.image")}


def test_variables_do_not_decide_which_code_runs() -> None:
    """What the loader of programs reads is refused, and what is no name of a variable."""
    assert _found(environmentVariables={"LD_PRELOAD": "/tmp/x.so"}) == {("invalid-value", "spec.environmentVariables.LD_PRELOAD")}
    assert _found(environmentVariables={"A B": "c"}) == {("invalid-value", "spec.environmentVariables[A B]")}
    assert _found(concurrency=-1) == {("invalid-value", "spec.concurrency")}
