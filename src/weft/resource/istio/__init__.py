"""Istio's kinds, field for field as its v1 reference documents them (https://istio.io/latest/docs/reference/config/).

One kind a file; the class named after the kind is its `spec`. What several kinds share stands in `selector.py` and
`workload_entry.py`.
"""
