"""What an Envoy does when it has too much to hold, step by step, before the system ends it.
https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/overload_manager/overload_manager

First it gives memory back and lets idle connections go sooner; then it keeps no connection open for another request, and resets
the streams that hold most; then new requests are answered 503, and last new connections are closed. So it sheds what comes from
the greediest first, and callers learn at once that they must go elsewhere.
"""

from typing import Any

LEAST_HEAP = 512 * 1024 * 1024
_SHARE = 4
_HEAP = "envoy.resource_monitors.fixed_heap"
_TRACKED = 20  # streams that hold at least 2^20 / 2 bytes are known, for who holds most


def default_heap(memory: int) -> int:
    """The heap that an Envoy may have on a machine with so many bytes of memory."""
    return max(LEAST_HEAP, memory // _SHARE)


def overload_manager(*, connections: int, heap: int) -> dict[str, Any]:
    """For at most so many connections of callers, and so many bytes of heap."""
    return {
        "refresh_interval": "0.25s",
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": _TRACKED},
        "resource_monitors": [
            _monitor("global_downstream_max_connections", "downstream_connections", "DownstreamConnectionsConfig", connections),
            _monitor("fixed_heap", "fixed_heap", "FixedHeapConfig", heap),
        ],
        "actions": [
            {"name": "envoy.overload_actions.shrink_heap", **_at(0.85)},
            {"name": "envoy.overload_actions.reduce_timeouts", **_between(0.85, 0.95), "typed_config": _sooner()},
            {"name": "envoy.overload_actions.disable_http_keepalive", **_at(0.9)},
            {"name": "envoy.overload_actions.reset_high_memory_stream", **_between(0.9, 0.98)},
            {"name": "envoy.overload_actions.stop_accepting_requests", **_at(0.95)},
            {"name": "envoy.overload_actions.reject_incoming_connections", **_at(0.98)},
        ],
    }


_FIELD = {"downstream_connections": "max_active_downstream_connections", "fixed_heap": "max_heap_size_bytes"}


def _monitor(name: str, package: str, message: str, most: int) -> dict[str, Any]:
    kind = f"type.googleapis.com/envoy.extensions.resource_monitors.{package}.v3.{message}"
    return {"name": f"envoy.resource_monitors.{name}", "typed_config": {"@type": kind, _FIELD[package]: str(most)}}


def _at(pressure: float) -> dict[str, Any]:
    return {"triggers": [{"name": _HEAP, "threshold": {"value": pressure}}]}


def _between(first: float, last: float) -> dict[str, Any]:
    return {"triggers": [{"name": _HEAP, "scaled": {"scaling_threshold": first, "saturation_threshold": last}}]}


def _sooner() -> dict[str, Any]:
    """Idle connections and streams, and handshakes that do not end."""
    timers = (
        ("HTTP_DOWNSTREAM_CONNECTION_IDLE", "2s"),
        ("HTTP_DOWNSTREAM_STREAM_IDLE", "2s"),
        ("TRANSPORT_SOCKET_CONNECT", "1s"),
    )
    return {
        "@type": "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
        "timer_scale_factors": [{"timer": timer, "min_timeout": least} for timer, least in timers],
    }
