"""The law of translation: the mesh is a function of the set of resources, and a change tells what differs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from weft.model.mesh import Change, Mesh, Settings
from weft.model.precedence import gateway_route_sets
from weft.ref import Ref
from weft.resource.resource import Resource
from weft.translate.mesh import Translation, advance, translation

from .certificates import PEMS
from .written import SETTINGS, api, core, istio, resource, resources, translated, workload

HOST = "web.default.svc.cluster.local"


def _entry(address: str, more: str = "") -> str:
    ports = "ports: [{number: 80, name: http, protocol: HTTP}]"
    return f"{{hosts: [api.example, '*.wild'], resolution: STATIC, {ports}, endpoints: [{{address: {address}}}]{more}}}"


def _slice(name: str, of: str, address: str) -> str:
    labels = f"{{kubernetes.io/service-name: {of}}}"
    said = f"addressType: IPv4, endpoints: [{{addresses: [{address}]}}], ports: [{{port: 8080}}]"
    meta = f"{{name: {name}, namespace: default, labels: {labels}}}"
    return f"{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {meta}, {said}}}"


def _rate_limit(namespace: str, spec: str) -> str:
    meta = f"{{name: rl, namespace: {namespace}}}"
    return f"{{apiVersion: mesh.weft.dev/v1alpha1, kind: RateLimit, metadata: {meta}, spec: {{{spec}}}}}"


def _routes(host: str, destination: str, more: str = "") -> str:
    return f"{{hosts: ['{host}']{more}, http: [{{route: [{{destination: {{{destination}}}}}]}}]}}"


def _rule(host: str, more: str) -> str:
    return f"{{host: '{host}', {more}}}"


_OF_GROUP = "annotations: {istio.io/autoRegistrationGroup: wg}"
_GATEWAY = "{selector: {istio: i}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}"
_SECURE = (
    "{selector: {app: api}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'],"
    " tls: {mode: MUTUAL, credentialName: cert}}]}"
)
_WEB = "{group: '', kind: Service, name: web}"
_TRUST = "validation: {hostname: a.b, caCertificateRefs: [{group: '', kind: Secret, name: cert}]}"
_V1 = "subsets: [{name: v1, labels: {version: v1}}]"
_RANDOM = "trafficPolicy: {loadBalancer: {simple: RANDOM}}"

_LISTENERS = (
    "{parentRef: {name: gw, namespace: default}, listeners: [{name: a, port: 80, protocol: HTTP, hostname: b.wild, allowedRoutes:"
    " {namespaces: {from: All}}}, {name: b, port: 443, protocol: TLS, tls: {mode: Passthrough}, hostname: a.wild}]}"
)

ENVOY_FILTER = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: {name}, namespace: default}}
spec:
  priority: {priority}
  configPatches: [{{applyTo: CLUSTER, patch: {{operation: MERGE, value: {{connect_timeout: 1s}}}}}}]
"""

POOL: tuple[Resource, ...] = tuple(
    one
    for text in (
        core("web"),
        core("web", "http 80", "http-b 81"),
        core("web", app="api"),
        core("web", extra=", type: NodePort").replace("selector: {app: web}", "selector: {app: web, version: v2}"),
        core("web", namespace="other"),
        core("wep"),
        core("api", "grpc 90"),
        core("bare").replace("selector: {app: bare}, ", ""),
        workload("w-1", "web"),
        workload("w-1", "web", status="{conditions: [{type: Healthy, status: 'False'}]}"),
        workload("w-1", "api"),
        workload("w-1", "web").replace("version: v1", "track: v1"),
        workload("w-2", "web", version="v2"),
        workload("w-2", "web", namespace="other"),
        istio("ServiceEntry", "e-1", _entry("10.0.0.1")),
        istio("ServiceEntry", "e-1", _entry("10.0.0.2", ", exportTo: ['.']")),
        istio("ServiceEntry", "e-2", _entry("10.0.0.3"), created="2026-01-01T00:00:00Z"),
        istio("ServiceEntry", "e-3", _entry("10.0.0.4"), namespace="other"),
        istio(
            "ServiceEntry",
            "e-3",
            "{hosts: [web.default.svc.cluster.local, api.example], resolution: STATIC, ports: [{number: 80, name: http}],"
            " workloadSelector: {labels: {app: web}}}",
            namespace="other",
        ),
        istio("ServiceEntry", "e-5", "{hosts: [v.ip], addresses: [10.9.0.1, 10.8.0.0/16], ports: [{number: 80, name: http}]}"),
        istio("ServiceEntry", "e-5", "{hosts: [v.ip, w.ip], addresses: [10.9.0.1], ports: [{number: 80, name: http}]}"),
        istio("ServiceEntry", "e-6", "{hosts: [v.ip], addresses: [10.9.0.1], ports: [{number: 81, name: tcp}]}"),
        istio("ServiceEntry", "e-4", "{hosts: [a.wild], resolution: DNS, ports: [{number: 443, name: tls}]}"),
        istio("VirtualService", "v-1", _routes("web", "host: web, subset: v1")),
        istio("VirtualService", "v-1", _routes("web", "host: wab, port: {number: 80}", ", exportTo: ['.']")),
        istio("VirtualService", "v-2", _routes("web", "host: api, subset: v2"), created="2026-01-01T00:00:00Z"),
        istio("VirtualService", "v-2", _routes("*", "host: web", ", gateways: [gw]")),
        istio("VirtualService", "v-3", _routes("a.wild", "host: a.wild, subset: v1, port: {number: 81}"), namespace="other"),
        istio("VirtualService", "v-3", _routes("b.wild", "host: web", ", gateways: [mesh, other/gx]"), namespace="other"),
        istio("VirtualService", "v-1", "{hosts: [web], http: [{match: [{uri: {prefix: /a}}], delegate: {name: v-4}}]}"),
        istio("VirtualService", "v-3", "{hosts: [web], http: [{delegate: {name: v-4, namespace: default}}]}", namespace="other"),
        istio("VirtualService", "v-4", "{http: [{match: [{uri: {prefix: /a/b}}], route: [{destination: {host: wab}}]}]}"),
        istio("VirtualService", "v-4", "{exportTo: ['.'], http: [{name: x, route: [{destination: {host: web}}]}]}"),
        istio("VirtualService", "v-4", _routes("web", "host: api, subset: v2")),
        istio("DestinationRule", "d-1", _rule("web", _V1)),
        istio("DestinationRule", "d-1", _rule("web", f"{_V1}, {_RANDOM}")),
        istio("DestinationRule", "d-1", _rule("*.wild", _V1)),
        istio("DestinationRule", "d-2", _rule("web", f"{_V1}, {_RANDOM}"), created="2026-01-01T00:00:00Z"),
        istio("DestinationRule", "d-2", _rule("api", "workloadSelector: {matchLabels: {app: web}}")),
        istio("DestinationRule", "d-3", _rule("*", _RANDOM), namespace="istio-system"),
        istio("Gateway", "gw", _GATEWAY),
        istio("Gateway", "gw", _GATEWAY, namespace="other"),
        istio("Gateway", "gw", _SECURE, namespace="other"),
        istio("DestinationRule", "d-2", _rule("api", "trafficPolicy: {tls: {mode: SIMPLE, credentialName: cert}}")),
        "{apiVersion: v1, kind: Secret, metadata: {name: cert, namespace: default}, stringData: {ca.crt: broken}}",
        f"{{apiVersion: v1, kind: Secret, metadata: {{name: cert, namespace: default}}, stringData: {PEMS}}}",
        f"{{apiVersion: v1, kind: Secret, metadata: {{name: cert-cacert, namespace: other}}, stringData: {PEMS}}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: cert, namespace: other}, data: {ca.crt: broken}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: 'meshMTLS: {ecdhCurves:"
        " [P-256]}'}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system, annotations:"
        " {mesh.weft.dev/tls-profile: fips}}, data: {mesh: ''}}",
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, spec: {clusterIP: None, selector: {app: web},"
        " ports: [{port: 80}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: other}, spec: {type: ExternalName, externalName:"
        " a.wild}}",
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, spec: {ports: [{port: 80}]}}",
        _slice("e-1", "web", "10.1.0.1"),
        _slice("e-1", "web", "10.1.0.2"),
        _slice("e-1", "api", "10.1.0.3"),
        _slice("e-2", "web", "10.1.0.4"),
        istio("VirtualService", "v-2", _routes("web", "host: w-1.web.default.svc.cluster.local")),
        istio("WorkloadGroup", "wg", "{metadata: {labels: {app: web}}, template: {weight: 2, serviceAccount: a}}"),
        istio("WorkloadGroup", "wg", "{template: {labels: {app: api}, ports: {http: 81}}}"),
        istio("WorkloadEntry", "w-3", "{address: 10.0.0.9}").replace("namespace: default", f"namespace: default, {_OF_GROUP}"),
        istio("Sidecar", "s-1", "{egress: [{hosts: ['./*', 'other/web.other.svc.cluster.local']}]}"),
        istio("Sidecar", "s-1", "{workloadSelector: {labels: {app: web}}, outboundTrafficPolicy: {mode: REGISTRY_ONLY}}"),
        istio("Sidecar", "s-2", "{egress: [{hosts: ['~/*']}]}", created="2026-01-01T00:00:00Z"),
        istio("PeerAuthentication", "p-1", "{mtls: {mode: STRICT}}"),
        istio("PeerAuthentication", "p-1", "{selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}"),
        istio("PeerAuthentication", "p-2", "{mtls: {mode: PERMISSIVE}}"),
        istio("PeerAuthentication", "p-1", "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}"),
        istio("PeerAuthentication", "p-3", "{mtls: {mode: STRICT}}", namespace="istio-system"),
        istio("PeerAuthentication", "p-3", "{selector: {matchLabels: {app: web}}}", namespace="istio-system"),
        istio("DestinationRule", "d-1", _rule("web", "trafficPolicy: {tls: {mode: DISABLE}}")),
        istio("DestinationRule", "d-3", _rule("*.local", "trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"), namespace="istio-system"),
        istio("AuthorizationPolicy", "a-1", "{rules: [{}]}"),
        istio("AuthorizationPolicy", "a-1", "{action: DENY, rules: [{to: [{operation: {ports: ['80']}}]}]}"),
        istio("RequestAuthentication", "a-1", '{jwtRules: [{issuer: a, jwks: \'{"keys": [{"kty": "EC"}]}\'}]}'),
        istio("AuthorizationPolicy", "a-3", "{action: CUSTOM, provider: {name: one}, rules: [{}]}"),
        *(
            f"{{apiVersion: mesh.weft.dev/v1alpha1, kind: MeshConfig, metadata: {{name: {one}, namespace: istio-system}}, spec: "
            f"{{extensionProviders: [{{name: {one}, envoyExtAuthzGrpc: {{service: {one}.wild, port: 80}}}}]}}}}"
            for one in ("one", "two")
        ),
        istio("AuthorizationPolicy", "a-2", "{selector: {matchLabels: {app: web}}}", namespace="other"),
        *(
            f"{{apiVersion: mesh.weft.dev/v1alpha1, kind: TrafficDefaults, metadata: {{name: {one}}}, spec: {{timeout: {time}}}}}"
            for one, time in (("t-1", "1s"), ("t-1", "2s"), ("t-2", "3s"))
        ),
        _rate_limit("default", "rules: [{limit: {requests: 1}}]"),
        _rate_limit("default", "targetRefs: [{group: '', kind: Service, name: web}], rules: [{limit: {connections: 2}}]"),
        _rate_limit("istio-system", "mode: GLOBAL, rules: [{per: ['request.headers[x-a]'], limit: {requests: 3}}]"),
        *(
            f"{{apiVersion: mesh.weft.dev/v1alpha1, kind: TrustDomain, metadata: {{name: {one}}}, spec: {{bundleFile: /{two}}}}}"
            for one, two in (("a.example", "a"), ("a.example", "b"), ("cluster.local", "a"))
        ),
        "{apiVersion: v1, kind: Namespace, metadata: {name: default}}",
        "{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {routes: mine}}}",
        *(api("GatewayClass", "weft", f"{{controllerName: {one}}}", namespace="") for one in ("mesh.weft.dev/gateway", "a.b/c")),
        api("Gateway", "gw", "{gatewayClassName: weft, listeners: [{name: a, port: 80, protocol: HTTP}]}"),
        api(
            "Gateway",
            "gw",
            "{gatewayClassName: weft, listeners: [{name: a, port: 80, protocol: HTTP, hostname: '*.wild'}, {name: b, port: 80,"
            " protocol: HTTP, hostname: a.wild, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels:"
            " {routes: mine}}}}}, {name: c, port: 443, protocol: TLS, tls: {mode: Passthrough}},"
            " {name: d, port: 53, protocol: UDP}], allowedListeners: {namespaces:"
            " {from: Selector, selector: {matchLabels: {routes: mine}}}},"
            " addresses: [{value: 127.0.0.1}]}",
        ),
        api("ListenerSet", "l-1", _LISTENERS, namespace="other"),
        api(
            "ListenerSet",
            "l-1",
            _LISTENERS.replace("port: 80, protocol: HTTP", "port: 80, protocol: TCP").replace("hostname: b.wild, ", ""),
            namespace="other",
        ),
        api("ListenerSet", "l-2", _LISTENERS, namespace="other", created="2026-01-01T00:00:00Z"),
        api("ListenerSet", "l-2", _LISTENERS.replace("name: gw, ", "name: gx, "), namespace="other"),
        api(
            "TLSRoute",
            "t-1",
            "{parentRefs: [{name: gw}, {name: l-1, kind: ListenerSet, namespace: other}], hostnames: [a.wild, '*.wild'],"
            " rules: [{backendRefs: [{name: web, port: 80}]}]}",
        ),
        api(
            "TCPRoute",
            "t-2",
            "{parentRefs: [{name: l-1, kind: ListenerSet}, {name: web, kind: Service, group: '', namespace: default, port: 80}],"
            " rules: [{backendRefs: [{name: web, namespace: default, port: 80}]}]}",
            namespace="other",
        ),
        api("UDPRoute", "t-3", "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: api, port: 90}]}]}"),
        api("HTTPRoute", "r-1", "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, port: 80}]}]}"),
        api(
            "HTTPRoute",
            "r-1",
            "{parentRefs: [{name: gw, sectionName: b}, {name: gw, sectionName: a}], hostnames: [a.wild, '*.b.wild'],"
            " rules: [{matches: [{method: GET}], backendRefs: [{name: web, port: 81}, {name: api, port: 90}]}]}",
            created="2026-01-01T00:00:00Z",
        ),
        api(
            "HTTPRoute",
            "r-2",
            "{parentRefs: [{name: gw, namespace: default}, {name: web, kind: Service, group: '', namespace:"
            " default}], rules: [{backendRefs: [{name: web, namespace: default, port: 80}]}]}",
            namespace="other",
        ),
        api(
            "GRPCRoute",
            "r-3",
            "{parentRefs: [{name: web, kind: Service, group: '', port: 80}, {name: gw}, {name: l-1, kind: ListenerSet,"
            " namespace: other}], hostnames: [a.wild, b.wild],"
            " rules: [{matches: [{method: {service: a.B}}], backendRefs: [{name: api, port: 90}]}]}",
        ),
        api(
            "ReferenceGrant",
            "g-1",
            "{from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: other}], to: [{group: '', kind: Service}]}",
        ),
        api(
            "Gateway",
            "gs",
            "{gatewayClassName: weft, listeners: [{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert},"
            " {name: cert-cacert, namespace: other}]}}], tls: {frontend: {default: {validation: {caCertificateRefs: [{group: '',"
            " kind: Secret, name: cert}]}}}}}",
        ),
        api(
            "ReferenceGrant",
            "g-2",
            "{from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}], to: [{group: '', kind: Secret}]}",
            namespace="other",
        ),
        api("BackendTLSPolicy", "t-1", f"{{targetRefs: [{_WEB}], {_TRUST}}}"),
        api("BackendTLSPolicy", "t-2", f"{{targetRefs: [{_WEB}], {_TRUST}}}", created="2026-01-01T00:00:00Z"),
        api("BackendTLSPolicy", "t-2", f"{{targetRefs: [{_WEB[:-1]}, sectionName: http-b}}], {_TRUST}}}"),
        ENVOY_FILTER.format(name="f-1", priority=1),
        ENVOY_FILTER.format(name="f-1", priority=9),
        ENVOY_FILTER.format(name="f-2", priority=5),
        workload("gw-0", "gw").replace("app: gw", "gateway.networking.k8s.io/gateway-name: gw"),
    )
    for one in resources(text)
)
REFS = sorted({one.ref for one in POOL})


def _variants() -> Mapping[Ref, Sequence[Resource]]:
    by_ref = sorted(POOL, key=lambda one: one.ref)
    return {ref: tuple(group) for ref, group in groupby(by_ref, key=lambda one: one.ref)}


VARIANTS = _variants()

puts = st.sampled_from(POOL).map(lambda one: (one.ref, one))
deletes = st.sampled_from(REFS).map(lambda ref: (ref, None))
histories = st.lists(st.lists(st.one_of(puts, puts, deletes), min_size=1, max_size=4), max_size=14)


def _differences(old: Mesh, new: Mesh) -> Change:
    """What differs between two meshes, found by looking at everything."""

    def keys(before: Mapping[str, object], after: Mapping[str, object]) -> frozenset[str]:
        return frozenset(key for key in {*before, *after} if before.get(key) != after.get(key))

    hosts = keys(old.services, new.services) | keys(old.routes, new.routes) | keys(old.policies, new.policies)
    hosts |= keys(old.backend_tls, new.backend_tls)
    hosts |= keys(old.addresses, new.addresses)
    endpoints = frozenset(key.rpartition("/")[2] for key in keys(old.endpoints, new.endpoints))
    everything = (
        old.gateways != new.gateways
        or old.peer_authentications != new.peer_authentications
        or old.guards != new.guards
        or old.defaults != new.defaults
        or old.configs != new.configs
        or old.envoy_filters != new.envoy_filters
        or old.sidecars != new.sidecars
        or old.federated != new.federated
        or old.tls != new.tls
        or any(host.startswith("*") or "/" in host for host in hosts)
    )
    return Change(hosts, endpoints - hosts, everything, keys(old.credentials, new.credentials))


@settings(max_examples=150, deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_any_history_leads_to_the_same_mesh(history: list[list[tuple[Ref, Resource | None]]], shuffle: Random) -> None:
    """After every step the translation equals one from scratch, in any order, and the change is what differs."""
    held: dict[Ref, Resource] = {}
    now = translation(SETTINGS, [])
    for step in history:
        changes: list[tuple[Resource | None, Resource | None]] = []
        for ref, new in step:
            changes.append((held.get(ref), new))
            if new is None:
                held.pop(ref, None)
            else:
                held[ref] = new
        before, (now, change) = now, advance(now, changes)
        assert change == _differences(before.mesh, now.mesh)
        everything = list(held.values())
        shuffle.shuffle(everything)
        assert now == translation(SETTINGS, everything)
        searched = replace(now.mesh, gateway_routes=None)
        for gateway in ("default/gw", "other/gw", "other/gx", "default/gw~a", "default/gw~b", "default/gw~other.l-1~a"):
            assert gateway_route_sets(now.mesh, gateway, "default") == gateway_route_sets(searched, gateway, "default")


def test_what_is_deleted_leaves_nothing() -> None:
    """When every resource is gone the mesh is the empty one, without a finding."""
    full = translation(SETTINGS, POOL)
    empty, change = advance(full, [(variants[-1], None) for variants in VARIANTS.values()])
    assert empty == Translation(Mesh(SETTINGS))
    assert change.everything


def test_the_old_translation_stays_as_it_was() -> None:
    """Advancing changes nothing of what it began with, and shares the mappings that stay."""
    old = translated(core("web"), workload("w-1", "web"))
    endpoints = old.mesh.endpoints[HOST]
    new, _ = advance(old, [(None, resource(workload("w-2", "web")))])
    assert old.mesh.endpoints[HOST] == endpoints
    assert new.mesh.services is old.mesh.services
    assert new.mesh.endpoints[HOST][0] is endpoints[0]


def test_an_endpoint_touches_only_the_services_that_select_it() -> None:
    """A changed WorkloadEntry names the hosts whose endpoints changed, and nothing else of them."""
    old = translated(core("web"), core("also", app="web"), core("db"), workload("w-1", "web"))
    _, change = advance(old, [(None, resource(workload("w-1", "web", version="v2")))])
    assert change == Change(endpoints=frozenset({HOST, "also.default.svc.cluster.local"}))


def test_a_change_of_nothing_is_none() -> None:
    """A resource written again as it was changes nothing, whatever its resourceVersion says."""
    text = core("web")
    old = translated(text)
    again = text.replace("{name: web, ", "{name: web, resourceVersion: '7', ")
    new, change = advance(old, [(resource(text), resource(again))])
    assert change == Change()
    assert new.mesh == old.mesh


def test_a_renamed_resource_is_another_one() -> None:
    """A change from one name to another removes the first."""
    old = translated(core("web"))
    new, _ = advance(old, [(resource(core("web")), resource(core("api")))])
    assert list(new.mesh.services) == ["api.default.svc.cluster.local"]


def test_the_domain_is_the_meshs() -> None:
    """Names are completed with the domain of the settings."""
    found = translated(core("web"), istio("DestinationRule", "d", "{host: web}"), settings=Settings(domain="corp.local"))
    assert list(found.mesh.services) == list(found.mesh.policies) == ["web.default.svc.corp.local"]
    assert not found.findings
