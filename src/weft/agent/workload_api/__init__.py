"""The SPIFFE Workload API: what an application asks, over a Unix socket, to get the identity that its process was attested to
have.

In: a connection, whose process the kernel names. Out: that workload's X.509-SVID and JWT-SVIDs, and the bundles to check others'
with (https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md). A caller says nothing of itself: a process
that the supervisor did not start as part of a workload of this node gets nothing.

Read `attestation.py` first (which workload a process belongs to), then `front.py` (the socket), then `server.py` (the calls).
"""
