"""weft.yaml: what it says, and what is said about it."""

from pathlib import Path
from textwrap import dedent

import pytest

from weft.finding import Severity
from weft.supervisor.application import Application, Condition, Port, Restart, Service
from weft.supervisor.compose import Decoded, decode

FILE = Path("/m/weft.yaml")


def _decoded(
    text: str, *, files: dict[str, str] | None = None, env: dict[str, str] | None = None, profiles: tuple[str, ...] = ()
) -> Decoded:
    there = files or {}
    return decode(
        dedent(text), FILE, environ=env or {}, read=lambda path: there.get(str(path.relative_to(FILE.parent))), profiles=profiles
    )


def _application(text: str, **more: object) -> Application:
    decoded = _decoded(text, **more)  # type: ignore[arg-type]
    assert decoded.application, decoded.findings
    return decoded.application


def _service(fields: str, **more: object) -> Service:
    return _application(f"services: {{web: {{{fields}}}}}", **more).services[0]


def _codes(decoded: Decoded) -> list[tuple[str, int]]:
    return [(found.code, found.line) for found in decoded.findings]


def test_a_service_has_istios_defaults() -> None:
    """Service, account and namespace follow from the Compose service's name."""
    service = _service("command: weft echo")
    assert (service.service, service.service_account, service.namespace) == ("web", "web", "default")
    assert service.command == ("weft", "echo")


def test_a_service_may_join_a_workload_group() -> None:
    """The group is one of its namespace, by name."""
    assert _service("command: x, x-weft: {workloadGroup: vms}").workload_group == "vms"
    assert _codes(_decoded("services: {web: {command: x, x-weft: {workloadGroup: other/vms}}}")) == [("wrong-type", 1)]


def test_the_account_follows_the_service() -> None:
    """Versions of one service share its account unless one is named."""
    assert _service("command: x, x-weft: {service: reviews}").service_account == "reviews"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("command: \"a 'b c' d\"", ("a", "b c", "d")),
        ("command: [a, 'b c', 1]", ("a", "b c", "1")),
        ("command: 'x --port $PORT --to ${NAME}'", ("x", "--port", "$PORT", "--to", "joe")),
    ],
)
def test_a_command_is_split_without_a_shell(field: str, words: tuple[str, ...]) -> None:
    """As Compose splits it, after the file's variables and before an instance's own."""
    assert _service(field, env={"NAME": "joe"}).command == words


def test_environment_and_env_files_are_laid_over_each_other() -> None:
    """Later files win over earlier ones, and `environment` over all of them; a bare name is passed on."""
    service = _service(
        "command: x, env_file: [a.env, {path: b.env}, {path: c.env, required: false}], environment: [B=3, HOME, NONE]",
        files={"a.env": "A=1\nB=1\nC=1", "b.env": "B=2\nC=2"},
        env={"HOME": "/h"},
    )
    assert dict(service.environment) == {"A": "1", "B": "3", "C": "2", "HOME": "/h"}


def test_a_boolean_in_the_environment_is_its_text() -> None:
    """Values are what stands in the file."""
    assert dict(_service("command: x, environment: {A: true, B: 1.10, C: ''}").environment) == {"A": "true", "B": "1.10", "C": ""}


def test_both_forms_of_depends_on_are_read() -> None:
    """A list means started; the long form says which condition."""
    text = """
        services:
          a: {command: x, depends_on: [b]}
          b: {command: x, depends_on: {c: {condition: service_healthy}, d: {condition: service_started, required: false}}}
          c: {command: x}
    """
    a, b, _ = _application(text).services
    assert [(each.service, each.condition) for each in a.depends_on] == [("b", Condition.STARTED)]
    assert [(each.service, each.required) for each in b.depends_on] == [("c", True), ("d", False)]


@pytest.mark.parametrize(
    ("check", "kind", "command"),
    [
        ("{test: curl -f x}", "exec", ("/bin/sh", "-c", "curl -f x")),
        ("{test: [CMD, curl, -f]}", "exec", ("curl", "-f")),
        ("{test: [CMD-SHELL, a || b], interval: 1m30s, timeout: 500ms, retries: 4}", "exec", ("/bin/sh", "-c", "a || b")),
        ("{test: [NONE]}", "none", ()),
        ("{disable: true}", "none", ()),
    ],
)
def test_a_healthcheck_becomes_an_exec_check(check: str, kind: str, command: tuple[str, ...]) -> None:
    """Each of Compose's forms of `test`."""
    health = _service(f"command: x, healthcheck: {check}").health
    assert (health.type, health.command) == (kind, command)


def test_health_of_weft_wins_over_healthcheck() -> None:
    """An HTTP check is declared in x-weft."""
    health = _service("command: x, healthcheck: {test: x}, x-weft: {health: {type: http, path: /ok, interval: 500ms}}").health
    assert (health.type, health.path, health.interval) == ("http", "/ok", 0.5)


def test_ports_tell_their_protocol() -> None:
    """By name, by protocol or by appProtocol; a port without a name is called after its protocol."""
    ports = _service("command: x, x-weft: {ports: [{name: http, port: 80}, {port: 5432, protocol: TCP}]}").ports
    assert ports == (Port("http", 80), Port("tcp-5432", 5432, "tcp"))


def test_replicas_restart_and_stop_are_read() -> None:
    """`scale` and `deploy.replicas` say the same thing."""
    service = _service("command: x, scale: 3, restart: 'on-failure:2', stop_signal: INT, stop_grace_period: 2s")
    assert (service.replicas, service.restart, service.restart_limit) == (3, Restart.ON_FAILURE, 2)
    assert (service.stop_signal, service.stop_grace) == ("SIGINT", 2.0)


def test_profiles_choose_services() -> None:
    """A service with profiles runs only when one of them is asked for."""
    text = "services: {a: {command: x}, b: {command: x, profiles: [debug]}}"
    assert [service.name for service in _application(text).services] == ["a"]
    assert [service.name for service in _application(text, profiles=("debug",)).services] == ["a", "b"]


def test_the_dotenv_beside_the_file_fills_variables_in() -> None:
    """The caller's own variables win over it."""
    files = {".env": "WHO=file\nONLY=here"}
    assert _service("command: 'x $WHO $ONLY'", files=files, env={"WHO": "me"}).command == ("x", "me", "here")


def test_upstreams_have_an_address_variable() -> None:
    """`reviews:9080` is reached at $REVIEWS_ADDR, which stands in the command until the start."""
    service = _service("command: 'x $REVIEWS_ADDR', x-weft: {upstreams: ['reviews:9080', {host: db.data, port: 5432, env: PG}]}")
    assert [(up.host, up.variable) for up in service.upstreams] == [("reviews", "REVIEWS_ADDR"), ("db.data", "PG")]
    assert service.command == ("x", "$REVIEWS_ADDR")


def test_the_example_of_the_documentation_is_read() -> None:
    """A gateway needs no command, and relative paths begin at the file."""
    application = _application(
        """
        services:
          web: {command: weft echo, x-weft: {ports: [{name: http, port: 8080}]}}
          ingress: {x-weft: {gateway: true, labels: {istio: ingressgateway}}}
        x-weft:
          trustDomain: example.org
          resources: [./mesh]
        """
    )
    assert application.trust_domain == "example.org"
    assert application.resources == (Path("/m/mesh"),)
    assert application.services[1].gateway
    assert application.name == "m"


# findings


def test_an_unsupported_field_is_said_once() -> None:
    """One finding a field, with the line of the first and the names of all services that have it."""
    decoded = _decoded("services:\n  a: {command: x, networks: [n]}\n  b: {command: x, networks: [n]}\nnetworks: {n: {}}\n")
    assert decoded.application
    assert _codes(decoded) == [("unsupported-compose-field", 4), ("unsupported-compose-field", 2)]
    assert "(in a, b)" in decoded.findings[1].message
    assert {found.severity for found in decoded.findings} == {Severity.WARNING}


def test_images_without_commands_are_one_finding() -> None:
    """However many there are, and nothing else is said about them."""
    decoded = _decoded("services:\n  a: {image: x, volumes: [v]}\n  b: {build: ., ports: ['1:1']}\n  c: {command: x}\n")
    assert _codes(decoded) == [("image-without-command", 2)]
    assert "a, b" in decoded.findings[0].message


@pytest.mark.parametrize(
    ("text", "code", "line", "hint"),
    [
        ("services:\n  a:\n    command: x\n    enviroment: {}\n", "unknown-field", 4, "environment"),
        ("services: {a: {command: x, x-wefft: {}}}", "unknown-field", 1, "x-weft"),
        ("servics: {}", "unknown-field", 1, "services"),
        ("services: {a: {command: x, deploy: {replicas: two}}}", "wrong-type", 1, ""),
        ("services: {a: {command: {b: c}}}", "wrong-type", 1, ""),
        ("services: {a: x}", "wrong-type", 1, ""),
        ("services: [a]", "wrong-type", 1, ""),
        ("just text", "wrong-type", 1, ""),
        ("services: {a: {}}", "missing-field", 1, ""),
        ("services: {a: {command: x, x-weft: {ports: [{name: http}]}}}", "missing-field", 1, ""),
        ("services: {a: {command: x, x-weft: {ports: [{name: http, port: 99999}]}}}", "wrong-type", 1, ""),
        ("services: {a: {command: x, x-weft: {upstreams: [reviews]}}}", "invalid-value", 1, ""),
        ("services: {a: {command: x, depends_on: [b]}, bb: {command: x}}", "unknown-dependency", 1, "bb"),
        ("services: {a: {command: x, depends_on: [b]}, b: {command: x, depends_on: [a]}}", "dependency-cycle", 1, ""),
        ("services: {a: {command: x, env_file: no.env}}", "missing-env-file", 1, "required"),
        ("services: {a: {command: 'x ${Y:?tell me}'}}", "invalid-variable", 1, ""),
        ('services: {a: {command: "x \'y"}}', "invalid-value", 1, ""),
        ("services: {a: {command: x, restart: sometimes}}", "wrong-type", 1, ""),
        ("services: {a: {command: x, stop_signal: BREAK}}", "invalid-value", 1, ""),
        ("services: {a: {command: x, scale: 2, deploy: {replicas: 3}}}", "invalid-value", 1, ""),
        (
            "services: {a: {command: x, scale: 2, x-weft: {ports: [{name: h, port: 80, targetPort: 80}]}}}",
            "invalid-value",
            1,
            "$PORT",
        ),
        ("services: {a: {command: x, x-weft: {gateway: true}}}", "invalid-value", 1, ""),
        ("services: {a: {command: x, x-weft: {host: 10.0.0.1}}}", "invalid-value", 1, "gateway"),
        ("services: {a: {command: x}}\nx-weft: {host: '::'}", "invalid-value", 1, "::1"),
        ("services: {a: {x-weft: {gateway: true, gatewayHost: '[::]'}}}", "invalid-value", 1, "brackets"),
        ("services: {a: [", "yaml-syntax", 1, ""),
    ],
)
def test_a_mistake_is_an_error_with_its_place(text: str, code: str, line: int, hint: str) -> None:
    """No application comes of it; the finding has file and line, and a hint where the cause is guessable."""
    decoded = _decoded(text)
    assert decoded.application is None
    found = next(found for found in decoded.findings if found.code == code)
    assert found.file == str(FILE)
    assert found.line >= line
    assert hint in found.hint


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("services: {a: {command: 'x $NONE'}}", "missing-variable"),
        ("services: {a: {command: x, environment: {PORT: 1}, x-weft: {ports: [{name: http, port: 80}]}}}", "reserved-variable"),
        ("services: {a: {command: x, labels: {'a.b/c': 'Host(`x`)'}}}", "invalid-label"),
    ],
)
def test_what_has_no_effect_is_a_warning(text: str, code: str) -> None:
    """The application runs all the same."""
    decoded = _decoded(text)
    assert decoded.application
    assert [(found.code, found.severity) for found in decoded.findings] == [(code, Severity.WARNING)]


def test_a_loopback_address_of_the_file_is_every_services() -> None:
    """Unless it has its own; a gateway opens there too when nothing else is said."""
    decoded = _decoded(
        """
        services: {a: {command: x}, b: {command: x, x-weft: {host: 127.0.0.1}}, c: {x-weft: {gateway: true}}}
        x-weft: {host: "::1"}
        """
    )
    assert decoded.application
    assert [service.host for service in decoded.application.services] == ["::1", "127.0.0.1", "::1"]
    assert decoded.application.services[2].gateway_host == "::1"
    assert decoded.application.host == "::1"


def test_versions_of_a_service_agree_on_its_ports() -> None:
    """A name with two numbers, or a number with two names, is refused."""
    decoded = _decoded(
        """
        services:
          v1: {command: x, x-weft: {service: r, ports: [{name: http, port: 80}]}}
          v2: {command: x, x-weft: {service: r, ports: [{name: grpc, port: 80}]}}
        """
    )
    assert [found.code for found in decoded.findings] == ["invalid-value"]


def test_other_extensions_mean_nothing() -> None:
    """`x-` fields of others are left alone, as Compose does."""
    assert not _decoded("x-common: {a: 1}\nservices: {a: {command: x, x-other: 1}}\n").findings
