"""The rules between fields, one kind a file: what Istio's and Kubernetes' own validation refuses, weft refuses.

In: a typed resource's `spec` and the collector of findings. Out: more findings, each at the field that must change. Nothing
here looks at another resource: references between resources are `translate`'s. Read `virtual_service.py` first.
"""
