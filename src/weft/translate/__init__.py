"""Resources into a mesh. All dialects end here.

In: `Resource`s, and the settings of the mesh. Out: a `Translation`: a `model.Mesh`, and the findings that only show when
resources are seen together, and the statuses that the Gateway API asks for. Pure; a change costs what it touches, never the
size of the mesh.

Each resource is first read alone into a `Statement` (`services`, `istio_routes`, `istio_traffic`, `istio_gateways`,
`security`). The mesh is what all statements say of each host, ordered and merged by `precedence`; workloads meet selectors
in `attach` and become endpoints in `endpoints`; `references` looks across resources. What a resource of the
Gateway API says holds only beside others: that is the matter of the package `gateway_api`. Since the mesh is a function of the
set of statements, the order of changes never matters. Read `mesh.py` first.

This package never knows Envoy, and never which proxy asks.
"""
