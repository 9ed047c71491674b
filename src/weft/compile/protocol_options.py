"""How HTTP/1 and HTTP/2 are spoken, the same on both sides of an Envoy.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto

Trailers pass in HTTP/1 too. The windows bound what a stream whose reader is slow may fill of an Envoy's memory (Envoy's own are
16 and 24 MiB, which one stalled download filled), and allow 600 Mbit/s a stream over a distance of 50 ms.
"""

from typing import Any

_STREAM_WINDOW, _CONNECTION_WINDOW = 4 * 1024 * 1024, 16 * 1024 * 1024


def http1(**words: Any) -> dict[str, Any]:
    """An Http1ProtocolOptions."""
    return {"enable_trailers": True, **words}


def http2(streams: int | None = None) -> dict[str, Any]:
    """An Http2ProtocolOptions. A WebSocket over HTTP/2 is an extended CONNECT (RFC 8441)."""
    return {
        "allow_connect": True,
        "initial_stream_window_size": {"value": _STREAM_WINDOW},
        "initial_connection_window_size": {"value": _CONNECTION_WINDOW},
        **({"max_concurrent_streams": {"value": streams}} if streams else {}),
    }
