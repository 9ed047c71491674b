"""The one agent of a node: runs the Envoys of its workloads, holds their keys, stands between them and the control plane.

In: the instances the supervisor names, what Envoys ask over the agent's socket, what the control plane answers. Out:
registered workloads with their health, running Envoys with their bootstraps, certificates, relayed configuration. It is a
program of its own that meets the control plane only on the wire; it never translates or compiles, and a private key never
leaves its directory. What it does must survive being killed: Envoys and applications are the supervisor's children, and
all it needs to know again is on disk or asked from the supervisor. Transparent interception will live in `interception/`.

Read `main.py` first, then `workloads.py` (the life of one instance) and `proxy_session.py` (between one Envoy and the
control plane).
"""
