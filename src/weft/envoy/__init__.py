"""What we know of stock Envoy, and nothing of a mesh.

Out: type URLs, the frozen `EnvoyResource`, the bootstrap, the admin interface, and where the binary is. Read `types.py`
first.
"""
