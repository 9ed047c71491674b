"""The composition root of `weft serve`: makes every part, connects them, runs them, and ends when one of them does."""

import asyncio
import contextlib
import logging
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.routing import Route

from weft import __version__
from weft.ca.alarms import Alarm
from weft.ca.attestation import JoinTokens, node_name, subject
from weft.ca.folder import CurrentAuthority
from weft.ca.jwt.keys import JwtKeys
from weft.ca.jwt.server import TokensServicer
from weft.ca.nodes import CertifiedNodes
from weft.ca.server import CertificatesServicer, EnrollmentServicer, Lifetimes, Office
from weft.ca.statement import signed
from weft.ca.transport.own_certificate import OwnCertificate
from weft.ca.transport.server import NODES, STRANGERS, Listener, Peers, RefusalLog, keep
from weft.ca.workloads.kubernetes import Kubernetes
from weft.ca.workloads.server import AttestationServicer
from weft.controlplane import (
    access_routes,
    addresses,
    authority_api,
    authority_settings,
    call_list,
    collector,
    extension,
    first_objects,
    metrics,
    proxy_list,
)
from weft.controlplane.admission import Judge
from weft.controlplane.alarms import Alarms
from weft.controlplane.api.admission import Admission
from weft.controlplane.api.application import application, version
from weft.controlplane.api.change import Resources
from weft.controlplane.api.serve import ApiServer
from weft.controlplane.api_access import ApiAccess
from weft.controlplane.api_tokens import ApiTokens
from weft.controlplane.asked_protocols import AskedProtocols
from weft.controlplane.audit_log import AuditLog
from weft.controlplane.authority_rotation import AuthorityRotation
from weft.controlplane.authority_settings import AuthorityConfig
from weft.controlplane.call_record import CallRecord
from weft.controlplane.canary.canary import Canary
from weft.controlplane.config import ServeConfig
from weft.controlplane.evidence import Evidence
from weft.controlplane.extension import Whom
from weft.controlplane.federation.domains import RESOURCE as DOMAINS
from weft.controlplane.federation.domains import Domains
from weft.controlplane.federation.endpoint import BundleEndpoint
from weft.controlplane.grants import CurrentGrants, grants
from weft.controlplane.key_set_client import trusted
from weft.controlplane.key_sets import RESOURCES, KeySets
from weft.controlplane.limiter_client import LimiterClient
from weft.controlplane.mtls import report, traffic
from weft.controlplane.mtls.evidence import CallEvidence
from weft.controlplane.mtls.ledger import Ledger
from weft.controlplane.mtls.port_modes import port_modes
from weft.controlplane.mtls.routes import Reports
from weft.controlplane.mtls.routes import routes as mtls_routes
from weft.controlplane.mtls.tightening import Tightener
from weft.controlplane.observation import Observation
from weft.controlplane.plain_server import PlainServer
from weft.controlplane.proxy_configs import PROXY_CONFIGS, ProxyConfigs
from weft.controlplane.quarantine import Quarantine
from weft.controlplane.reconcile import Reconciler
from weft.controlplane.signals import until_signalled
from weft.controlplane.status import StatusWriter
from weft.controlplane.workload_probes import WORKLOAD_GROUPS, probes
from weft.discovery.registry import Registry, RegistrySettings
from weft.discovery.server import RegistryServicer
from weft.envoy.binary import Binary, EnvoyNotFound, binary
from weft.finding import Finding, Severity
from weft.identity import SpiffeId, spiffe_id
from weft.model.mesh import Change, Settings
from weft.model.workload import Address, Proxy
from weft.proto import node_pb2, node_pb2_grpc
from weft.rollout.scope import Scope
from weft.spiffe_bundle import SpiffeBundle
from weft.store.sqlite import SqliteStore
from weft.store.store import Conflict, Key, Put
from weft.translate.gateway_api.written import DEFAULT_CLASS, GROUP
from weft.xds.server import AdsServer
from weft.xds.snapshots import Snapshot
from weft.xds.status import SessionStatus

Adds = Callable[[Any], None]
"""Adds a service to a gRPC server."""

log = logging.getLogger("weft.controlplane")
_TRUST_PERIOD = 10.0  # seconds between two looks at whom to trust beside our own roots
_DEMAND_PERIOD = 1.0  # seconds between two looks at where requests come from
_REGISTRATION = 5.0  # seconds that a proxy's stream waits for its registration


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def timestamp() -> str:
    """The wall clock as Kubernetes writes it."""
    return now().strftime("%Y-%m-%dT%H:%M:%SZ")


class ControlPlane:
    """All parts of one control plane."""

    def __init__(self, config: ServeConfig) -> None:
        self._config = config
        self._store = SqliteStore(config.home / "mesh.db")
        self._grants = CurrentGrants()
        self._registry = Registry(self._store, self._grants, RegistrySettings(lease=config.lease))
        aliases = config.trust_domain_aliases
        settings = Settings(config.trust_domain, config.domain, config.root_namespace, aliases)
        self._reconciler = Reconciler(self._store, settings, self._registry.proxy, self._publish)
        self._canary = Canary(_envoy(config.envoy), config.home)
        self._judge = Judge(self._reconciler, self._canary)
        self._quarantine = Quarantine(self._canary, self._reconciler, lambda: self._ads.proxies())
        self._ads = AdsServer(
            self._snapshot_of,
            self._may_speak_for,
            self._reconciler.snapshot,
            on_rejection=self._quarantine.rejected,
            judge=self._quarantine.judge,
        )
        self._asked = AskedProtocols(self._store, self._reconciler, lambda: self._registry.proxies)
        issuers = trusted(config.jwks_authorities)
        self._key_sets = KeySets(self._store, self._reconciler, config.jwks_refresh, issuers, config.root_namespace, now)
        self._api_tokens = ApiTokens(config.oidc, issuers) if config.oidc else None
        self._audit = AuditLog(config.home / "audit.log", now)
        self._calls = CallRecord(config.home / "calls.db", lambda: self._registry.proxies)
        self._evidence = Evidence(self._calls, self._reconciler, self._registry)
        self._alarms = Alarms(self._evidence, self._reconciler, self._registry, self._sessions)
        self._domains = Domains(config.home / "trust-domains", self._store, self._reconciler, now)
        self._observation = Observation(on_calls=self._calls_reported)
        self._ledger = Ledger(config.home / "encryption.db", lambda: self._registry.proxies)
        self._limiter = LimiterClient(config.supervisor)
        self._seen_calls = CallEvidence(config.home / "mtls-since", self._calls, self._observation)
        self._tightener = Tightener(
            config.home / "tightening.json",
            Resources(self._store, admit=self._admit),
            self._reconciler,
            lambda: self._registry.proxies,
            lambda: self._ads.behind(self._registry.proxies),
            self._seen_calls,
        )
        self._tokens = JoinTokens(config.home / "ca" / "tokens.db")
        self._jwt_keys = JwtKeys(config.home / "ca" / "jwt-keys.json", now)
        self._nodes = CertifiedNodes(config.home / "ca" / "nodes.json")
        self._ca_alarms: Callable[[], tuple[Alarm, ...]] = tuple
        self._ends: Callable[[], tuple[tuple[str, float], ...]] = tuple
        self._authority_routes: tuple[Route, ...] = ()
        self._refusals = RefusalLog()
        self._stopping = asyncio.Event()
        self._granted = asyncio.Event()
        self._reworded = asyncio.Event()
        self._proxy_configs = ProxyConfigs(config.root_namespace)
        self._known: set[str] = set()  # proxies that were registered before

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        await self._load()
        home = self._config.home
        said = authority_settings.read(self._config.ca_settings) if self._config.ca_settings else AuthorityConfig()
        authority = await asyncio.to_thread(authority_settings.authority, said, home / "ca", self._config.trust_domain, now)
        own = OwnCertificate(authority, now)
        nodes, strangers = Listener("nodes", own, NODES, mutual=True), Listener("enrollment", own, STRANGERS, mutual=False)
        xds = await self._listen(nodes, "xds", self._config.xds, self._for_nodes(authority, nodes))
        enroll = await self._listen(strangers, "enroll", self._config.enroll, self._for_strangers(authority, strangers))
        rotation = AuthorityRotation(authority, (nodes, strangers), self._registrations, self._registry, self._nodes, now)
        self._ca_alarms, self._ends = rotation.alarms, rotation.ends
        access = ApiAccess(home, self._config.name, now)
        self._authority_routes = authority_api.routes(authority, rotation)
        api = self._api(access, authority)
        numbers = PlainServer(metrics.page(self._metrics), addresses.wanted(home, "metrics", self._config.metrics))
        bundle = BundleEndpoint(
            home / "ca", self._wanted("bundle", self._config.bundle), own, lambda: self._bundle(authority), now
        )
        found = addresses.this_process(Address(*api.listen()), xds, enroll, numbers.listen(), bundle.listen())
        access.write(found.api)
        parts = (
            api.run(),
            access.keep(api, found.api),
            numbers.run(),
            keep(own, (nodes, strangers), self._refusals),
            self._reconciler.run(),
            StatusWriter(self._store, self._reconciler, timestamp).run(),
            self._registry.run(),
            self._asked.run(),
            self._key_sets.run(),
            self._recheck(),
            self._follow_words(),
            rotation.run(),
            self._keep_trust(),
            self._domains.run(),
            bundle.run(),
            self._follow_demand(),
            self._calls.run(),
            self._alarms.run(),
            self._tightener.run(),
            self._ledger.run(),
            self._ads.run(),
            self._canary.run(),
            self._limiter.run(),
            self._quarantine.run(),
        )
        addresses.write(home, found)
        log.info("event=ready api=%s xds=%s enroll=%s metrics=%s", found.api, found.xds, found.enroll, found.metrics)
        try:
            await until_signalled(parts)
        finally:
            self._stopping.set()
            await asyncio.gather(nodes.stop(), strangers.stop())
            await self._store.close()

    async def _load(self) -> None:
        await self._store.open()
        await self._calls.open()
        await self._ledger.open()
        self._seen_calls.load()
        self._tightener.load()
        for name in self._config.namespaces:
            with contextlib.suppress(Conflict):
                await self._store.write([Put(Key("namespaces", "", name), first_objects.namespace(name, timestamp()), 0)])
        with contextlib.suppress(Conflict):
            gateways = Key(f"gatewayclasses.{GROUP}", "", DEFAULT_CLASS)
            await self._store.write([Put(gateways, first_objects.gateway_class(timestamp()), 0)])
        await self._reconciler.load()
        collector.settle()
        self._grants.table = grants(self._reconciler.resources)
        self._proxy_configs.take(self._reconciler.resources)
        await self._registry.start()
        self._limiter.look(self._reconciler.translation.mesh)
        self._known = set(self._registry.proxies)
        self._registry.subscribe(self._proxies_changed)

    # The servers

    def _for_nodes(self, authority: CurrentAuthority, listener: Listener) -> tuple[Adds, ...]:
        peers = Peers(self._config.trust_domain, self._grants, self._refusals, listener.handshakes)
        certificates = CertificatesServicer(self._office(authority), peers)
        tokens = TokensServicer(self._jwt_keys, self._config.trust_domain, self._grants, peers)
        registry = self._registrations = RegistryServicer(
            self._registry, peers, self._observation, authority().bundle, self._trust(), self._probes, self._settings
        )
        registry.eager = lambda: self._tightener.goes_on
        return (
            lambda server: node_pb2_grpc.add_CertificatesServicer_to_server(certificates, server),
            lambda server: node_pb2_grpc.add_TokensServicer_to_server(tokens, server),
            lambda server: node_pb2_grpc.add_RegistryServicer_to_server(registry, server),
            self._ads.add_to,
        )

    def _for_strangers(self, authority: CurrentAuthority, listener: Listener) -> tuple[Adds, ...]:
        enrollment = EnrollmentServicer(self._office(authority), self._tokens, self._refusals, listener.handshakes.call)
        cluster = Kubernetes(self._config.kubernetes, now) if self._config.kubernetes else None
        attestation = AttestationServicer(self._office(authority), self._tokens, cluster, self._refusals)
        return (
            lambda server: node_pb2_grpc.add_EnrollmentServicer_to_server(enrollment, server),
            lambda server: node_pb2_grpc.add_AttestationServicer_to_server(attestation, server),
        )

    def _office(self, authority: CurrentAuthority) -> Office:
        lifetimes = Lifetimes(workload=timedelta(seconds=self._config.certificate_lifetime))
        return Office(authority, self._grants, lifetimes, now, authority.toward, self._nodes.certified)

    async def _listen(self, listener: Listener, role: str, address: Address, services: tuple[Adds, ...]) -> Address:
        wanted = self._wanted(role, address)
        return Address(wanted.host, await listener.start(wanted.host, wanted.port, services))

    def _wanted(self, role: str, address: Address) -> Address:
        return addresses.wanted(self._config.home, role, address)

    def _api(self, access: ApiAccess, authority: CurrentAuthority) -> ApiServer:
        extended = extension.routes(self._edges, self._proxies, self._called, self._evidence, lambda: self._alarms.items)
        joining = extension.join_token_routes(self._mint, self._send_away)
        encryption = mtls_routes(self._encryption, self._tightener, self._report(authority), time.time)
        routes = (*extended, *joining, *encryption, *access_routes.routes(access.sign, self._audit))
        app = application(
            self._store,
            admit=self._admit,
            version=version(__version__),
            extensions=(*routes, *self._authority_routes),
            stopping=self._stopping,
            note=self._audit.write,
            verify=self._api_tokens.verify if self._api_tokens else None,
        )
        wanted = addresses.wanted(self._config.home, "api", self._config.api)
        tls = replace(access.tls, tokens=self._api_tokens is not None)
        return ApiServer(app, wanted.host, wanted.port, tls, stopping=self._stopping)

    async def _admit(self, changes: Sequence[Admission]) -> tuple[Finding, ...]:
        """An error is the last word; what else there is to say takes a look outside."""
        found = await self._judge.admit(changes)
        if any(one.severity is Severity.ERROR for one in found):
            return found
        return found + await self._evidence.admit(changes) + await self._key_sets.admit(changes)

    # What the parts ask of each other

    def _publish(self, change: Change) -> None:
        table = grants(self._reconciler.resources) if self._reconciler.took("nodes.mesh.weft.dev") else self._grants.table
        if table != self._grants.table:
            self._grants.table = table
            self._granted.set()
        if self._reconciler.took("services"):
            self._asked.touched()
        if any(map(self._reconciler.took, RESOURCES)):
            self._key_sets.touched()
        if self._reconciler.took(DOMAINS):
            self._domains.touched()
        if change.everything:
            self._limiter.look(self._reconciler.translation.mesh)
        self._ads.publish(change)
        if self._reconciler.took(PROXY_CONFIGS):
            self._proxy_configs.take(self._reconciler.resources)
            self._reworded.set()
        if self._reconciler.took(WORKLOAD_GROUPS):
            self._reworded.set()
            self._ads.refresh(frozenset(name for name, proxy in self._registry.proxies.items() if proxy.workload.group))

    def _probes(self, groups: Iterable[str]) -> node_pb2.Probes:
        return probes(groups, self._reconciler.translation)

    def _settings(self, proxies: Iterable[Proxy]) -> node_pb2.AllProxySettings:
        return self._proxy_configs.settings(map(self._reconciler.translation.joined, proxies))

    async def _follow_words(self) -> None:
        """Tells agents how WorkloadGroups say that their workloads are checked, and ProxyConfigs that Envoys are started."""
        while True:
            await self._reworded.wait()
            self._reworded.clear()
            await self._registrations.publish_words()

    async def _recheck(self) -> None:
        while True:
            await self._granted.wait()
            self._granted.clear()
            await self._registry.recheck()

    async def _keep_trust(self) -> None:
        """Tells agents when it has changed whom they trust beside the mesh's own roots."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TRUST_PERIOD):
                    await self._domains.changed.wait()
            self._domains.changed.clear()
            await self._registrations.publish_trust(self._trust())

    def _bundle(self, authority: CurrentAuthority) -> SpiffeBundle:
        """What others are shown of this mesh."""
        return SpiffeBundle(authority().trusted, self._jwt_keys.public())

    def _trust(self) -> node_pb2.Trust:
        """Whom agents are to trust beside the mesh's own roots."""
        aliases = self._config.trust_domain_aliases
        return node_pb2.Trust(jwks=self._jwt_keys.key_set(), aliases=aliases, federated=self._domains.trust)

    async def _follow_demand(self) -> None:
        """Where destinations are asked from decides what callers keep in their zone."""
        while True:
            await asyncio.sleep(_DEMAND_PERIOD)
            self._reconciler.asked(self._observation.demand(self._registry.proxies))

    def _proxies_changed(self, names: frozenset[str]) -> None:
        for name in names - self._known:
            self._observation.begin(name)
        self._known = (self._known | names) & self._registry.proxies.keys()
        self._ads.refresh(names)
        self._asked.changed(names)

    async def _snapshot_of(self, proxy: str) -> Snapshot | None:
        await self._registry.wait_for(proxy, _REGISTRATION)
        return self._reconciler.snapshot(proxy)

    def _may_speak_for(self, proxy: str, peer: str) -> bool:
        try:
            node = node_name(spiffe_id(peer))
        except ValueError:
            return False
        return node is not None and self._registry.node_of(proxy) == node

    # What is told to those who ask

    def _edges(self) -> Iterator[Mapping[str, Any]]:
        return (asdict(edge) for edge in self._observation.edges(self._registry.proxies))

    def _proxies(self) -> Iterator[Mapping[str, Any]]:
        return proxy_list.proxies(self._registry, self._sessions(), self._observation)

    def _sessions(self) -> Mapping[str, SessionStatus]:
        return {each.proxy: each.session for each in self._ads.proxies()}

    def _called(self, within: float | None, asked: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        return call_list.listed(call_list.chosen(self._calls.calls(within), asked))

    def _encryption(self, scope: Scope, window: float) -> Iterator[Mapping[str, Any]]:
        since = time.time() - window
        ports = port_modes(self._reconciler.translation.mesh, self._registry.proxies.values(), scope)
        return traffic.rows(ports, self._seen_calls.encrypted(since), self._seen_calls.plaintext(since))

    def _report(self, authority: CurrentAuthority) -> Reports:
        async def reported(first: float, last: float) -> Mapping[str, Any]:
            made, lines = now(), await self._ledger.lines(first, last)
            text = report.text(lines, self._config.trust_domain, first, last, self._seen_calls.since, made.timestamp())
            found = signed(authority(), text.encode(), made)
            return {"statement": text, "signature": b64encode(found.signature).decode(), "chain": found.chain.decode()}

        return reported

    def _calls_reported(self, rows: Sequence[node_pb2.CallCounters]) -> None:
        self._calls.observe(rows)
        self._ledger.observe(rows)

    async def _mint(self, whom: Whom, ttl: float) -> str:
        life = timedelta(seconds=ttl)
        if isinstance(whom, str):
            return await asyncio.to_thread(self._tokens.create, whom, now(), life)
        return await asyncio.to_thread(self._tokens.create_for, SpiffeId(self._config.trust_domain, *whom), now(), life)

    async def _send_away(self, namespace: str, account: str) -> None:
        workload = SpiffeId(self._config.trust_domain, namespace, account)
        await asyncio.to_thread(self._tokens.send_away, subject(workload))

    def _metrics(self) -> Iterator[metrics.Metric]:
        mesh = self._reconciler.translation.mesh
        yield metrics.Metric("weft_build_info", "gauge", "The version of weft.", 1, {"version": __version__})
        yield metrics.Metric("weft_proxies_registered", "gauge", "Proxies that an agent registered.", len(self._registry.proxies))
        yield metrics.Metric("weft_proxies_connected", "gauge", "Proxies with an xDS stream.", len(self._ads.proxies()))
        yield metrics.Metric("weft_xds_responses_total", "counter", "xDS responses sent.", self._ads.pushes)
        yield metrics.Metric("weft_xds_rejections_total", "counter", "Envoy resources that proxies refused.", self._ads.refusals)
        alarms = len(self._alarms.items)
        yield metrics.Metric("weft_policy_alarms", "gauge", "Calls that passed a policy, proxies without the newest.", alarms)
        yield metrics.Metric("weft_recorded_calls", "gauge", "Kinds of calls in the record.", len(self._calls))
        yield metrics.Metric("weft_quarantined", "gauge", "Resources that Envoy refuses.", self._reconciler.quarantined)
        yield metrics.Metric("weft_canary_questions_total", "counter", "Questions to the canary Envoy.", self._canary.questions)
        yield metrics.Metric("weft_key_sets", "gauge", "Key sets of token issuers.", len(mesh.key_sets))
        failing = sum(1 for _ in self._key_sets.failing())
        yield metrics.Metric("weft_key_sets_failing", "gauge", "Key sets that were not fetched the last time.", failing)
        for name, age in self._domains.ages():
            words = "Seconds since the bundle of a federated trust domain was read."
            yield metrics.Metric("weft_federated_bundle_age_seconds", "gauge", words, age, {"trust_domain": name})
        yield metrics.Metric("weft_services", "gauge", "Services in the mesh.", len(mesh.services))
        for name, end in self._ends():
            yield metrics.Metric(f"weft_ca_{name}_expiry_seconds", "gauge", f"When the {name} certificate ends (Unix).", end)
        yield metrics.Metric("weft_ca_alarms", "gauge", "Certificates that end too soon.", len(self._ca_alarms()))
        yield metrics.Metric("weft_store_revision", "gauge", "The store's revision that is in effect.", self._reconciler.revision)


def _envoy(explicit: str) -> Binary | None:
    """The Envoy that judges configuration, which is that of this machine's proxies."""
    try:
        return binary(explicit or None)
    except EnvoyNotFound as problem:
        log.warning('event=no-canary problem="%s"', str(problem).splitlines()[0])
        return None


async def run(config: ServeConfig) -> None:
    """A control plane as `config` says, until it is told to stop."""
    await ControlPlane(config).run()
