"""What operators write, exactly: the resources of Kubernetes' core, of the Gateway API, of Istio and of weft, as frozen data.

In: raw mappings (the API's JSON, or YAML with the line of every field). Out: a `Resource` with a typed `spec`, and
findings for all that is wrong in it. Every documented field of a kind is here, also those that weft does not act on yet:
they carry a mark, and using one is a finding. This package never decides what a resource means to a mesh (`translate`
does), never fills in defaults, and never raises over an operator's mistake.

Read `kinds.py` first, then `istio/virtual_service.py` for how a kind is written, then `decode.py`.
"""
