"""What the mesh did: counters and response times of every edge, as the sidecars saw them.

In: what agents report (totals since each Envoy began). Out: rates over a window, for tables and pages. Nothing here knows
the wire or the clock. Read `edges.py` first.
"""
