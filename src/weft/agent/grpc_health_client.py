"""The gRPC health checking protocol, as a client (https://github.com/grpc/grpc/blob/master/doc/health-checking.md).

Its two messages have one field each, so they are read and written as bytes: no further package is needed.
"""

from typing import Any

import grpc

_METHOD = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"  # field 1, varint: ServingStatus SERVING


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + _varint(number // 128)


async def check(host: str, port: int, service: str, timeout: float) -> str:
    """Empty when `service` (empty: the server as a whole) is serving; else what is wrong."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    options = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))
    name = service.encode()
    request = b"\x0a" + _varint(len(name)) + name if name else b""
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        call: Any = channel.unary_unary(_METHOD, request_serializer=bytes, response_deserializer=bytes)
        try:
            answer = await call(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            return f"gRPC health check: {error.code().name}: {error.details()}"
    return "" if answer == _SERVING else "gRPC health check: the service is not serving"
