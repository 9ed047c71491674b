"""How much of the mesh is encrypted, and the way to all of it.

Comes in: the mesh, what proxies hold, what their sidecars saw. Goes out: the mode of every port with the resource that says so,
and PeerAuthentications that are written as an operator would. Never decides when: `rollout.tighten` does. Read `port_modes`
first, then `tightening`.
"""
