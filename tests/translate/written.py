"""Resources as an operator writes them."""

from textwrap import dedent

import yaml

from weft.finding import Finding, Severity
from weft.model.mesh import Settings
from weft.model.service import Service
from weft.resource.decode import decode
from weft.resource.resource import Resource
from weft.translate.mesh import Translation, statement, translation
from weft.translate.statement import Statement

SETTINGS = Settings()


def resources(text: str) -> list[Resource]:
    """The resources of a YAML text."""
    found = []
    for raw in yaml.safe_load_all(dedent(text)):
        decoded = decode(raw)
        assert decoded.resource, [str(one) for one in decoded.findings if one.severity is Severity.ERROR]
        found.append(decoded.resource)
    return found


def resource(text: str) -> Resource:
    """The one resource of a YAML text."""
    (one,) = resources(text)
    return one


def said(text: str) -> Statement:
    """What the one resource of a YAML text says by itself."""
    found = statement(resource(text), SETTINGS)
    assert found
    return found


def service(text: str) -> Service:
    """The first service that the one resource says."""
    return said(text).services[0]


def translated(*texts: str, settings: Settings = SETTINGS) -> Translation:
    """The translation of all resources of the texts."""
    return translation(settings, [one for text in texts for one in resources(text)])


def findings(of: Translation) -> list[Finding]:
    """All findings, sorted by where they are."""
    return sorted((one for found in of.findings.values() for one in found), key=lambda one: (one.ref, one.message))


def core(name: str, *ports: str, namespace: str = "default", app: str = "", extra: str = "") -> str:
    """A Service; a port is `number`, or `name number`, or `name number target`. `app` is what it selects."""
    lines = []
    for port in ports:
        label, number, target, *_ = (*(port.split() if " " in port else ("http", port)), "")
        lines.append(f"{{name: {label}, port: {number}{f', targetPort: {target}' if target else ''}}}")
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{app: {app or name}}}, ports: [{", ".join(lines or ["{name: http, port: 80}"])}]{extra}}}
"""


def workload(name: str, app: str, *, namespace: str = "default", version: str = "v1", status: str = "", more: str = "") -> str:
    """A WorkloadEntry with a sidecar; `more` are further fields of its spec."""
    labels = f"{{app: {app}, version: {version}, security.istio.io/tlsMode: istio}}"
    return f"""
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{address: 127.0.0.1, ports: {{http: 15001}}, labels: {labels}{more}}}
status: {status or "{}"}
"""


def istio(kind: str, name: str, spec: str, *, namespace: str = "default", created: str = "") -> str:
    """A resource of networking.istio.io with `spec` in flow style."""
    group = "security" if kind in ("PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication") else "networking"
    stamp = f", creationTimestamp: '{created}'" if created else ""
    return f"""
apiVersion: {group}.istio.io/v1
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}{stamp}}}
spec: {spec}
"""


def api(kind: str, name: str, spec: str, *, namespace: str = "default", created: str = "") -> str:
    """A resource of the Gateway API with `spec` in flow style."""
    stamp = f", creationTimestamp: '{created}'" if created else ""
    place = f", namespace: {namespace}" if namespace else ""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: {kind}
metadata: {{name: {name}{place}{stamp}}}
spec: {spec}
"""
