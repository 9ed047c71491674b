"""The rate limiter: counts what all proxies of a mesh let pass together.

In: questions of Envoys (envoy.service.ratelimit.v3) over a Unix socket that only this user may open: a request, as the
descriptors that the route configurations make of it. Each carries its quota, so that the limiter has no configuration that could
be late. Out: whether it may pass, and the headers and words of the answer.
Where the counts are: in this process (`memory`), or in a Redis that several limiters share (`redis_store`). While the store does
not answer neither does the limiter, and the proxies do what the operator chose. Never: it knows no resource and no mesh.

Read `bucket` first, then `answer`.
"""
