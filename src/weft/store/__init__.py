"""Resources at rest: one protocol, several stores, one conformance suite.

In and out: JSON objects in the Kubernetes API's shape, with an opaque, increasing resource version. A store knows neither
kinds nor meanings. Read `store.py` first; `transaction.py` says what a write does, `history.py` how a watch goes on.
"""
