"""What a mesh is: services, endpoints, workloads, routes, traffic policies, security and gateways.

In: nothing of ours but the words (`ref`, `hostname`, `identity`). Out: frozen values. This package never knows YAML, a
dialect (Istio's, the Gateway API's) or Envoy; it has no behaviour but look-ups in itself. Read `mesh.py` first.
"""
