"""What an instance is given."""

from itertools import count
from pathlib import Path

from weft.supervisor.application import Application
from weft.supervisor.compose import decode
from weft.supervisor.plan import Plan, plan

FOLDER = Path("/m")
WEFT = ("/venv/bin/python", "-m", "weft")


def _application(text: str) -> Application:
    decoded = decode(text, FOLDER / "weft.yaml", environ={}, read=lambda path: None)
    assert decoded.application, decoded.findings
    return decoded.application


def _plan(fields: str, inherited: dict[str, str] | None = None, index: int = 0) -> Plan:
    numbers = count(20000)
    service = _application(f"services: {{web: {{{fields}}}}}").services[0]
    take = lambda wanted: wanted or next(numbers)  # noqa: E731
    return plan(service, index, take=take, folder=FOLDER, inherited=inherited or {"PATH": "/bin"}, weft=WEFT)


def test_every_port_of_an_instance_is_its_own() -> None:
    """Two for each of the service's ports, one for the proxy, one for each upstream."""
    planned = _plan("command: x, x-weft: {ports: [{name: http, port: 80}, {name: grpc, port: 81}], upstreams: ['a:1']}")
    assert len(set(planned.taken())) == 6


def test_the_command_is_told_where_to_listen() -> None:
    """`$PORT` is the first port's, `$PORT_<NAME>` each one's."""
    ports = "ports: [{name: http, port: 80}, {name: grpc-web, port: 81}]"
    planned = _plan(f"command: 'x $HOST:$PORT $PORT_GRPC_WEB', x-weft: {{{ports}}}")
    http, grpc = (str(port.application) for port in planned.ports)
    assert planned.argv == ("x", f"127.0.0.1:{http}", grpc)
    assert planned.environment["PORT"] == http


def test_a_fixed_port_is_the_applications() -> None:
    """`targetPort` is where the application listens, and `$PORT` says so."""
    planned = _plan("command: x, x-weft: {ports: [{name: http, port: 80, targetPort: 8000}]}")
    assert planned.ports[0].application == 8000
    assert planned.environment["PORT"] == "8000"


def test_programs_are_sent_through_the_sidecar() -> None:
    """All spellings of the proxy variables, for Java and Node too; loopback is bypassed."""
    environment = _plan("command: x", {"JAVA_TOOL_OPTIONS": "-Xmx1g"}).environment
    url = f"http://127.0.0.1:{_plan('command: x').http_proxy}"
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "grpc_proxy"):
        assert environment[name] == url
    assert {"localhost", "127.0.0.1", "::1"} <= set(environment["no_proxy"].split(","))
    assert environment["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -Dhttp.proxyHost=127.0.0.1")
    assert environment["NODE_USE_ENV_PROXY"] == "1"


def test_the_callers_proxies_do_not_reach_an_application() -> None:
    """A proxy of the machine would lead past the sidecar, and a no_proxy with `.svc` too."""
    inherited = {"PATH": "/bin", "ALL_PROXY": "socks5://x", "no_proxy": ".svc,.cluster.local", "PORT": "1", "WEFT_HOME": "/x"}
    environment = _plan("command: x", inherited).environment
    assert "ALL_PROXY" not in environment
    assert "PORT" not in environment
    assert "WEFT_HOME" not in environment
    assert ".svc" not in environment["no_proxy"]


def test_the_mesh_is_told_in_variables() -> None:
    """Which service, version, namespace and instance it is."""
    environment = _plan("command: x, x-weft: {service: reviews, version: v1, namespace: shop}", index=2).environment
    assert {name: environment[f"WEFT_{name}"] for name in ("SERVICE", "VERSION", "NAMESPACE", "INSTANCE")} == {
        "SERVICE": "reviews",
        "VERSION": "v1",
        "NAMESPACE": "shop",
        "INSTANCE": "web-2",
    }


def test_an_upstream_has_an_address() -> None:
    """In a variable of its own, which commands and environment may use."""
    planned = _plan("command: 'x $DB_ADDR', environment: {URL: 'pg://$DB_ADDR/x'}, x-weft: {upstreams: ['db.data:5432']}")
    address = f"127.0.0.1:{planned.upstreams[0][1]}"
    assert planned.argv == ("x", address)
    assert planned.environment["URL"] == f"pg://{address}/x"
    assert planned.environment["DB_5432_ADDR"] == address


def test_an_ipv6_host_has_brackets_where_a_port_follows() -> None:
    """In proxy variables and upstreams' addresses, but not in `$HOST`, which programs bind."""
    planned = _plan("command: 'x $HOST', x-weft: {host: '::1', ports: [{name: http, port: 80}], upstreams: ['db:1']}")
    environment, port = planned.environment, planned.http_proxy
    assert planned.argv == ("x", "::1")
    assert environment["http_proxy"] == f"http://[::1]:{port}"
    assert environment["DB_ADDR"] == f"[::1]:{planned.upstreams[0][1]}"
    assert f"-Dhttp.proxyHost=[::1] -Dhttp.proxyPort={port}" in environment["JAVA_TOOL_OPTIONS"]
    assert {planned.message("run", 1)["inbound"][0][side]["host"] for side in ("listen", "application")} == {"::1"}


def test_weft_is_this_weft() -> None:
    """`weft echo` runs the program that runs the mesh, whatever is on the PATH."""
    assert _plan("command: weft echo --delay 1").argv == (*WEFT, "echo", "--delay", "1")


def test_a_gateway_has_neither_ports_nor_command() -> None:
    """Its listeners come from Gateways."""
    planned = _plan("x-weft: {gateway: true, gatewayHost: 0.0.0.0}")
    message = planned.message("run", 0)
    assert planned.taken() == ()
    assert (message["gateway"], message["gateway_host"], message["http_proxy"]) == (True, "0.0.0.0", None)


def test_names_fit_kubernetes() -> None:
    """A Compose service may be called what an object may not."""
    assert _plan("command: x").name == "web-0"
    service = _application("services: {My_App: {command: x}}").services[0]
    planned = plan(service, 0, take=lambda wanted: 1, folder=FOLDER, inherited={}, weft=WEFT)
    assert (planned.name, service.service) == ("my-app-0", "my-app")


def test_the_agent_hears_of_the_application_s_ports() -> None:
    """The service's number, the sidecar's port and the application's."""
    message = _plan("command: x, x-weft: {version: v1, ports: [{name: http, port: 80}]}").message("run", 7)
    assert message["inbound"] == [
        {
            "name": "http",
            "number": 80,
            "protocol": "http",
            "listen": {"host": "127.0.0.1", "port": 20000},
            "application": {"host": "127.0.0.1", "port": 20001},
            "ask": False,
        }
    ]
    undeclared = _plan("command: x, x-weft: {ports: [{port: 80}, {name: web, port: 81}, {name: db, port: 3306}]}")
    ports = undeclared.message("run", 7)["inbound"]
    assert [(port["name"], port["ask"]) for port in ports] == [("port-80", True), ("web", True), ("db", False)]
    assert (message["labels"], message["pid"], message["state"]) == ({"app": "web", "version": "v1"}, 7, "run")


def test_a_health_check_asks_the_application() -> None:
    """The port of the service stands for the application's; commands know their instance's variables."""
    fields = "command: x, x-weft: {ports: [{name: http, port: 80}], health: {type: http, port: 80}}"
    assert _plan(fields).message("run", 0)["health"]["port"] == 20001
    fields = "command: x, healthcheck: {test: [CMD, check, $PORT]}, x-weft: {ports: [{name: http, port: 80}]}"
    assert _plan(fields).message("run", 0)["health"]["command"] == ["check", "20001"]


def test_what_serves_nothing_is_not_checked() -> None:
    """A worker without ports is ready when it runs."""
    planned = _plan("command: x")
    assert planned.message("run", 0)["health"]["type"] == "none"
    assert not planned.checked
    assert _plan("command: x, x-weft: {ports: [{name: http, port: 80}]}").checked
