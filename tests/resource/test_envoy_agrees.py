"""What we say of expressions, header values and substitutions, the real Envoy says too."""

from typing import Any

import pytest
from test_regex import ACCEPTED, REFUSED

from weft.envoy.binary import Binary, binary, validate
from weft.resource import regex
from weft.resource.validation import header_value

# As our bootstrap has it; Envoy's own limit is 100.
RUNTIME = {"name": "weft", "static_layer": {"re2.max_program_size.error_level": 32768}}
OURS = ("named n", "too large")  # we are the stricter: Istio's rule, and an estimate from above
PACKAGE = "type.googleapis.com/envoy.extensions.filters"


@pytest.fixture(scope="module")
def envoy() -> Binary:
    """The Envoy of this installation."""
    return binary()


def refusal(envoy: Binary, routes: list[dict[str, Any]]) -> str:
    """What Envoy has against these routes; empty when it takes them."""
    manager = {
        "@type": f"{PACKAGE}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{PACKAGE}.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
    }
    listener = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}],
    }
    return validate(envoy, {"static_resources": {"listeners": [listener]}, "layered_runtime": {"layers": [RUNTIME]}})


def matching(pattern: str) -> dict[str, Any]:
    return {"match": {"safe_regex": {"regex": pattern}}, "direct_response": {"status": 200}}


def adding(value: str) -> dict[str, Any]:
    header = {"header": {"key": "x", "value": value}}
    return {"match": {"prefix": "/"}, "direct_response": {"status": 200}, "request_headers_to_add": [header]}


def test_envoy_takes_the_expressions_we_take(envoy: Binary) -> None:
    """All of them, in one configuration."""
    assert refusal(envoy, [matching(pattern) for pattern in ACCEPTED if pattern]) == ""


@pytest.mark.parametrize("pattern", [pattern for pattern in REFUSED if len(pattern) < 1024 and REFUSED[pattern] not in OURS])
def test_envoy_refuses_the_expressions_we_refuse(envoy: Binary, pattern: str) -> None:
    """Each by itself."""
    assert regex.problem(pattern)
    assert refusal(envoy, [matching(pattern)])


def test_envoy_knows_the_commands_we_know(envoy: Binary) -> None:
    """Every command that stands alone, in one configuration, and a few with arguments."""
    values = [f"%{name}%" for name in sorted(header_value.COMMANDS) if header_value.problem(f"%{name}%") == ("", "")]
    values += ["%REQ(x?y):5%", "%START_TIME(x)%", "%ENVIRONMENT(HOME)%", "%GRPC_STATUS(NUMBER)%", "%%"]
    assert len(values) > 100
    assert refusal(envoy, [adding(value) for value in values]) == ""


@pytest.mark.parametrize("value", ["%FOO%", "%REQ%", "%REQ()%", "%PROTOCOL(a)%", "%TRACE_ID:5%", "a\nb", "x" * 16385])
def test_envoy_refuses_the_values_we_refuse(envoy: Binary, value: str) -> None:
    """Each by itself."""
    assert header_value.problem(value)[0]
    assert refusal(envoy, [adding(value)])
