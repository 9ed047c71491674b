"""What may stand in a `weft.yaml`, as a JSON schema: `weft schema` prints it for editors, and the same data checks the file.

A property marked `deprecated` is the Compose specification's and means nothing for processes on one machine.
https://github.com/compose-spec/compose-spec/blob/main/schema/compose-spec.json
"""

from collections.abc import Mapping
from typing import Any

from weft.supervisor import duration

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_DURATION: Schema = {"type": "string", "pattern": duration.PATTERN}
_NAME_PATTERN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_NAME: Schema = {"type": "string", "pattern": _NAME_PATTERN}
_LABEL_VALUE: Schema = {"type": "string", "pattern": "^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_PAIRS: Schema = {"anyOf": [{"type": "object", "additionalProperties": {"type": ["string", "null"]}}, _TEXTS]}


def _object(properties: Schema, **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def _about(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def _without(names: str) -> Schema:
    return {name: {"deprecated": True, "description": "Compose's; weft does not support it"} for name in names.split()}


_PROTOCOLS = ("http", "http2", "grpc", "grpc-web", "tcp", "tls", "https", "mongo", "mysql", "redis")
_PORT_ENTRY = _object(
    {
        "name": _about(_NAME, "name; its part before a dash tells the protocol, as in Istio; the application is asked otherwise"),
        "port": _about(_PORT, "the port of the service, as callers say it"),
        "protocol": _about({"type": "string", "enum": [*_PROTOCOLS, *map(str.upper, _PROTOCOLS)]}, "what is spoken"),
        "appProtocol": _about(_TEXT, "what is spoken, as in a Kubernetes Service"),
        "targetPort": _about(_PORT, "the fixed port the application listens on; without it, it listens on $PORT"),
    },
    required=["port"],
)

_UPSTREAM = _object(
    {
        "host": _about(_TEXT, "the service called"),
        "port": _about(_PORT, "its port"),
        "localPort": _about(_PORT, "the local port wanted; without it any"),
        "env": _about({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}, "variable for the address; default <HOST>_ADDR"),
    },
    required=["host", "port"],
)

_HEALTH = _object(
    {
        "type": {"type": "string", "enum": ["http", "tcp", "grpc", "exec", "none"]},
        "path": _about(_TEXT, "for http; default /"),
        "port": _about(_PORT, "port of the service whose application port is asked; default: the first"),
        "command": _TEXTS,
        "interval": _DURATION,
        "timeout": _DURATION,
        "retries": _COUNT,
        "startPeriod": _DURATION,
    },
    required=["type"],
)

_SERVICE_WEFT = _object(
    {
        "service": _about(_NAME, "the service this is a version of; default: the Compose service's name"),
        "namespace": _about(_NAME, "default: default"),
        "version": _about(_LABEL_VALUE, "the label `version`, for subsets"),
        "serviceAccount": _about(_NAME, "the account in its SPIFFE ID; default: the service's name"),
        "ports": _about({"type": "array", "items": _PORT_ENTRY}, "what it serves"),
        "locality": _about(_TEXT, "region/zone/sub-zone"),
        "network": _TEXT,
        "labels": _about({"type": "object", "additionalProperties": _TEXT}, "labels that selectors see"),
        "gateway": _about({"type": "boolean"}, "an Envoy without an application, for Gateways"),
        "host": _about(_TEXT, "the loopback address ($HOST) of its instances and their sidecars; default: the file's"),
        "gatewayHost": _about(_TEXT, "the address a gateway listens on, `::` for IPv4 and IPv6; default: host"),
        "upstreams": _about(
            {"type": "array", "items": {"anyOf": [_TEXT, _UPSTREAM]}},
            "services reached at a local port, for what honours no proxy variables; `host:port` or an object",
        ),
        "health": _about(_HEALTH, "how readiness is found; default: a TCP connection to each port"),
        "weight": _about({"type": "integer", "minimum": 1}, "share of the service's traffic"),
        "workloadGroup": _about(_NAME, "the WorkloadGroup of its namespace that its instances join, with its probe"),
    }
)

_HEALTHCHECK = _object(
    {
        "test": {"anyOf": [_TEXT, _TEXTS]},
        "interval": _DURATION,
        "timeout": _DURATION,
        "retries": _COUNT,
        "start_period": _DURATION,
        "disable": {"type": "boolean"},
        **_without("start_interval"),
    }
)

_DEPENDENCY = _object(
    {
        "condition": {"type": "string", "enum": ["service_started", "service_healthy", "service_completed_successfully"]},
        "required": {"type": "boolean"},
        **_without("restart"),
    }
)

_ENV_FILE = _object({"path": _TEXT, "required": {"type": "boolean"}, **_without("format")}, required=["path"])

_UNSUPPORTED_SERVICE = _without(
    """annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent configs container_name cpu_count
    cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec develop
    device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint expose extends external_links extra_hosts gpus
    group_add hostname image init ipc isolation label_file links logging mac_address mem_limit mem_reservation mem_swappiness
    memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports post_start
    post_stop pre_start pre_stop privileged provider pull_policy pull_refresh_after read_only runtime secrets security_opt
    shm_size stdin_open storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from"""
)

_UNSUPPORTED_DEPLOY = _without("endpoint_mode labels mode placement resources restart_policy rollback_config update_config")

SERVICE = _object(
    {
        "command": _about({"anyOf": [_TEXT, _TEXTS]}, "what runs, without a shell; $PORT and $HOST are where it listens"),
        "environment": _PAIRS,
        "env_file": {"anyOf": [_TEXT, {"type": "array", "items": {"anyOf": [_TEXT, _ENV_FILE]}}, _ENV_FILE]},
        "working_dir": _about(_TEXT, "default: the folder of the file"),
        "depends_on": {"anyOf": [_TEXTS, {"type": "object", "additionalProperties": _DEPENDENCY}]},
        "healthcheck": _HEALTHCHECK,
        "labels": _PAIRS,
        "deploy": _object({"replicas": _COUNT, **_UNSUPPORTED_DEPLOY}),
        "scale": _COUNT,
        "profiles": _TEXTS,
        "restart": {"type": "string", "pattern": r"^(no|always|unless-stopped|on-failure(:\d+)?)$"},
        "stop_signal": _TEXT,
        "stop_grace_period": _DURATION,
        "x-weft": _SERVICE_WEFT,
        **_UNSUPPORTED_SERVICE,
    },
    patternProperties={"^x-": {}},
)

_KEY_TYPE: Schema = {"type": "string", "enum": ["ECDSA-P256", "ECDSA-P384", "RSA-2048", "RSA-3072", "RSA-4096"]}
_VAULT = _object(
    {
        "address": _about(_TEXT, "its URL"),
        "role": _about(_TEXT, "the role of the PKI engine that signs"),
        "mount": _about(_TEXT, "the path of the PKI engine; default pki"),
        "tokenFile": _about(_TEXT, "a file with a token"),
        "roleId": _about(_TEXT, "of AppRole, instead of a token"),
        "secretIdFile": _about(_TEXT, "a file with AppRole's secret"),
        "appRole": _about(_TEXT, "the path of AppRole; default approle"),
        "namespace": _about(_TEXT, "of Vault Enterprise"),
        "verbatim": _about({"type": "boolean"}, "have requests of workloads signed as they are (sign-verbatim)"),
        "caFile": _about(_TEXT, "the roots of Vault's own certificate"),
        "root": _about(_TEXT, "a file with roots to trust beside the one that Vault tells"),
    },
    required=["address", "role"],
)
_CA = _object(
    {
        "folder": _about(
            _TEXT, "an authority of yours in Istio's layout: ca-cert.pem, ca-key.pem, cert-chain.pem, root-cert.pem"
        ),
        "certificate": _about(_TEXT, "or its files: the certificate that signs"),
        "key": _about(_TEXT, "its key"),
        "chain": _about(_TEXT, "the certificates between it and the root"),
        "root": _about(_TEXT, "the root"),
        "rootLifetime": _about(_DURATION, "of a root that is made here; default 87648h (ten years)"),
        "intermediateLifetime": _about(_DURATION, "of an intermediate that is made here; default 8760h (a year)"),
        "keyType": _about(_KEY_TYPE, "of the keys of root and intermediate; default ECDSA-P256"),
        "workloadKeyType": _about(_KEY_TYPE, "of the keys of workloads; default ECDSA-P256"),
        "vault": _about(_VAULT, "HashiCorp Vault signs the certificates of workloads"),
    }
)

_TOP_WEFT = _object(
    {
        "name": _about(_NAME, "the mesh's name for `weft ls` and --mesh; default: the folder's"),
        "host": _about(_TEXT, "the loopback address everything listens on, 127.0.0.1 (the default) or ::1"),
        "trustDomain": _about(_TEXT, "default cluster.local"),
        "trustDomainAliases": _about(
            {"type": "array", "items": _TEXT}, "further names of it: their peers and policies count as the mesh's own"
        ),
        "certificateLifetime": _about(_DURATION, "default 24h"),
        "limiter": _about(
            _object({"redis": _about(_TEXT, "redis://, rediss:// or unix://; default: the limiter counts itself")}),
            "where GLOBAL rate limits are counted",
        ),
        "proxies": _about(
            _object(
                {
                    "heap": _about(
                        {"type": "string", "pattern": r"^[1-9]\d*[mg]b?$"},
                        "memory of each, such as 512m; near it load is shed. Default: a quarter of the machine's, at least 512m",
                    ),
                    "connections": _about(
                        {"type": "integer", "minimum": 1},
                        "of callers at once; further ones are closed. Default: as many as it may have files open",
                    ),
                }
            ),
            "bounds of each Envoy",
        ),
        "ca": _about(_CA, "the certificate authority: its files, lifetimes, kinds of keys, or who signs elsewhere"),
        "resources": _about({"anyOf": [_TEXT, _TEXTS]}, "YAML files and folders to apply"),
    }
)

FILE: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "weft.yaml: the Compose specification for processes in a mesh",
    **_object(
        {
            "name": _NAME,
            "version": _about(_TEXT, "obsolete in Compose, without effect"),
            "services": {"type": "object", "additionalProperties": SERVICE},
            "x-weft": _TOP_WEFT,
            **_without("networks volumes configs secrets include models"),
        },
        patternProperties={"^x-": {}},
        required=["services"],
    ),
}
