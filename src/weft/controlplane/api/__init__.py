"""The API: resources over HTTP in the shape of the Kubernetes API, so that kubectl and every client of Kubernetes can speak it.

In: requests of clients that presented a certificate of the API's authority (`serve.py`). Out: what the store holds, and
changes to it. Nothing is written before the injected admission has seen it, and what one request asks is written in one
transaction or not at all. What is not served is refused with a Status that says what to use instead.

This package never reads a resource's meaning: decoding is `weft.resource`'s, judging is the injected admission's.

Read `application.py` first, then `target.py` (what a path asks for), `change.py` (how a write happens), `requests.py`
(one function a verb) and `watching.py`. The protocol: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""
