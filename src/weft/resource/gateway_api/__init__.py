"""The Gateway API, as its specification has it, with every field of the experimental channel.

https://gateway-api.sigs.k8s.io/reference/spec/. Read `http_route.py` first.
"""
