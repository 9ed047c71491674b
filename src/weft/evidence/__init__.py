"""What the record of calls says about policies: which calls a change would deny or let pass, and the least that must be allowed.

Comes in: recorded calls (`telemetry.calls`) and meshes. Goes out: decisions, differences, policies as YAML values. Never: I/O, a
clock, and a guess: what the record does not know (headers, claims, addresses) makes a decision unknown, not denied.
Read `decision.py` first.
"""
