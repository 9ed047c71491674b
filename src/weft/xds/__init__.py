"""The xDS protocol: who asked for what, what they hold, and what must be told next, in which order.

In: what a proxy says (delta requests) and a `Snapshot` of what it should hold. Out: delta responses. No I/O and no clock but in
`server.py`; time arrives as an argument. Read `session.py` first.
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""
