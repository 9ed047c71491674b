"""A gRPC client: one call of each form to the target it is given, each answer on a line of its own."""

import sys

import grpc

with grpc.insecure_channel(sys.argv[1]) as channel:
    print(channel.unary_unary("/test.Words/Upper")(b"one", timeout=10).decode())
    print(b" ".join(channel.unary_stream("/test.Words/Letters")(b"abc", timeout=10)).decode())
    print(channel.stream_unary("/test.Words/Join")(iter([b"a", b"b"]), timeout=10).decode())
    print(b" ".join(channel.stream_stream("/test.Words/Each")(iter([b"x", b"y"]), timeout=10)).decode())
