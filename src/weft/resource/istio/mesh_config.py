"""MeshConfig: what holds for the whole mesh, as YAML under `mesh` in the ConfigMap `istio` of the root namespace.

What is about TLS is read, and all that the kind MeshConfig has. https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-TLSConfig
"""

from collections.abc import Mapping
from typing import Any, Literal

import yaml
from msgspec import field

from weft.resource.core.config_map import ConfigMap
from weft.resource.field import Message
from weft.resource.field_path import child, item
from weft.resource.problems import Problems
from weft.resource.record import record
from weft.resource.shape import Reading
from weft.resource.validation.gateway import CIPHERS
from weft.resource.validation.mesh_config import mesh_config as settings
from weft.resource.weft.mesh_config import MeshConfig as Settings
from weft.resource.wording import close_name

NAME, KEY = "istio", "mesh"
PROFILE = "mesh.weft.dev/tls-profile"
"""The annotation of the ConfigMap that chooses a profile of TLS: `default`, or `fips`."""

_LONGEST = 65_536
CURVES = ("X25519MLKEM768", "MLKEM1024", "X25519", "P-256", "P-384", "P-521")
FIPS_CURVES = ("P-256", "P-384")
FIPS_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
)  # fmt: skip


class TlsConfig(Message, frozen=True, kw_only=True):
    """`ecdhCurves` and `cipherSuites` by BoringSSL's names, the preferred first. Ciphers are those of TLS 1.2."""

    min_protocol_version: Literal["TLS_AUTO", "TLSV1_2", "TLSV1_3"] = "TLS_AUTO"
    ecdh_curves: tuple[str, ...] = ()
    cipher_suites: tuple[str, ...] = ()


class MeshConfig(Settings, frozen=True, kw_only=True):
    """What is read of it. `meshMTLS` is for mTLS between proxies, `tlsDefaults` for all other TLS."""

    mesh_mtls: TlsConfig | None = field(default=None, name="meshMTLS")
    tls_defaults: TlsConfig | None = None


def mesh_config(of: ConfigMap, problems: Problems) -> MeshConfig:
    """What the ConfigMap says; `problems` takes what is wrong with it, and names fields that have no effect."""
    shape, at = record(MeshConfig), child("data", KEY)
    text = of.data.get(KEY, "")
    if len(text) > _LONGEST:
        problems.invalid(at, f"it has more than {_LONGEST} characters")
        text = ""
    try:
        raw = yaml.safe_load(text) if text.strip() else {}
    except yaml.YAMLError as problem:
        problems.invalid(at, f"this is not YAML: {str(problem).splitlines()[0][:200]}")
        raw = {}
    if not isinstance(raw, Mapping):
        problems.invalid(at, "a MeshConfig is a mapping")
        raw = {}
    known: dict[str, Any] = {}
    for name, value in raw.items():
        if name in shape.fields:
            known[str(name)] = value
        else:
            problems.add("unsupported-field", f"{at}.{str(name)[:60]}", name=str(name)[:60], hint="")
    said = shape.read(known, at, Reading(problems, [("", tuple(shape.fields))]))
    assert isinstance(said, MeshConfig)
    return said


def validate(of: ConfigMap, annotations: Mapping[str, str], problems: Problems) -> None:
    """The ConfigMap of the mesh."""
    said = mesh_config(of, problems)
    settings(said, problems, child("data", KEY))
    profile = annotations.get(PROFILE, "default")
    if profile not in ("default", "fips"):
        problems.invalid(child("metadata.annotations", PROFILE), f"{profile[:40]!r} is not a profile: default or fips")
    for name, config in (("meshMTLS", said.mesh_mtls), ("tlsDefaults", said.tls_defaults)):
        if config:
            _tls(config, child(child("data", KEY), name), profile == "fips", problems)
    if said.tls_defaults and said.tls_defaults.min_protocol_version != "TLS_AUTO":
        why = "of other TLS each server says its own version"
        at = child(child(child("data", KEY), "tlsDefaults"), "minProtocolVersion")
        problems.add("no-effect", at, name="minProtocolVersion", why=why, hint="write it in the Gateway's tls")


def _tls(of: TlsConfig, at: str, fips: bool, problems: Problems) -> None:
    curves, ciphers = (FIPS_CURVES, FIPS_CIPHERS) if fips else (CURVES, CIPHERS)
    for field_name, values, known in (("ecdhCurves", of.ecdh_curves, curves), ("cipherSuites", of.cipher_suites, ciphers)):
        for index, value in enumerate(values):
            if value not in known:
                close = close_name(value, known)
                hint = f"did you mean {close}?" if close else "one of " + ", ".join(known)
                what = f"{value[:60]!r} is not approved by FIPS 140-3" if fips else f"Envoy does not know {value[:60]!r}"
                problems.invalid(item(child(at, field_name), index), what, hint)
