"""What a call would do, read from the Envoy resources that one proxy holds. Pure: nothing is called.

In: a snapshot (everything one proxy may ask for) and a `call`. Out: an `outcome`: which virtual host and route matched and
which of the operator's fields made it, and what then happens: an answer, a redirect, or forwarding, to which clusters and
endpoints in which shares, as which request, with which timeout, retries, copies and faults.

It reads the messages as Envoy reads them, never the resources or the mesh they were made from, so that what it says is about
what proxies hold. A matcher it does not know raises `Unreadable` instead of a guess. The stories of `tests/cases` replay
what it says on a real Envoy. Read `call.py` and `outcome.py` first, then `simulate.py`.
"""
