"""A gRPC server of words, in all four forms of a call."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

_METHODS = {
    "Upper": grpc.unary_unary_rpc_method_handler(lambda word, _: word.upper()),
    "Letters": grpc.unary_stream_rpc_method_handler(lambda word, _: (bytes([letter]) for letter in word)),
    "Join": grpc.stream_unary_rpc_method_handler(lambda words, _: b"+".join(words)),
    "Each": grpc.stream_stream_rpc_method_handler(lambda words, _: _each(words)),
}


def _each(words: Iterator[bytes]) -> Iterator[bytes]:
    for word in words:
        yield word.upper()


server = grpc.server(ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Words", _METHODS),))
server.add_insecure_port(f"{os.environ['HOST']}:{os.environ['PORT']}")
server.start()
threading.Event().wait()
