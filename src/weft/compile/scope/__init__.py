"""What one proxy sees of the mesh, resource by resource: the only place that looks at the proxy.

In: a mesh, a proxy, the name of an Envoy resource. Out: the frozen input of that resource (`inputs.py`), from which the proxy
has vanished. Read `inputs.py`, then `lookup.py` (which service a host means), `destinations.py` (which clusters a destination
becomes), `rules.py` (which rules apply), and last `sidecar.py` and `gateway.py`, which the snapshot calls.
"""
