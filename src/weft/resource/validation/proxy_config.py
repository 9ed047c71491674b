"""The rules of ProxyConfig."""

import re

from weft.resource.field_path import child
from weft.resource.istio.proxy_config import ProxyConfig
from weft.resource.problems import Problems
from weft.resource.validation.labels import labels

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LOADER = ("LD_", "DYLD_", "GLIBC_")


def proxy_config(spec: ProxyConfig, problems: Problems) -> None:
    """Variables that are variables, and that do not decide which code runs: Envoys hold the keys of their workloads."""
    if spec.selector is not None:
        labels(spec.selector.match_labels, "spec.selector.matchLabels", problems)
    for name, value in spec.environment_variables.items():
        place = child("spec.environmentVariables", name)
        if not _NAME.fullmatch(name):
            problems.invalid(place, f"{name[:60]!r} is not the name of a variable")
        elif name.startswith(_LOADER):
            problems.invalid(place, f"{name[:60]} decides which code Envoy runs")
        elif "\0" in value:
            problems.invalid(place, "a variable holds no NUL")
