"""From a mesh and one proxy to the Envoy resources of that proxy. Pure to the last line.

In: `model.Mesh`, `model.Proxy`, and the name of an Envoy resource. Out: `envoy.types.EnvoyResource`. `scope/` looks at the
proxy, resolves everything that depends on it, and returns one frozen input; the other modules, each named after the Envoy
message it makes, receive that input and nothing else. The input is the cache key: equal inputs give the same object, the
same bytes, to every proxy.

This package never reads a dialect, does no I/O, keeps no state but the bounded `snapshot.Cache`, and takes the order of
nothing for granted. Read `scope/inputs.py` first, then `snapshot.py`.
"""
