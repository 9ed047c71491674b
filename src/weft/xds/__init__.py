"""The xDS protocol: who asked for what, what they hold, and what must be told next, in which order.

In: what a proxy says (delta requests) and a `Snapshot` of what it should hold. Out: delta responses. No I/O and no clock but in
`server.py`; time arrives as an argument. This room never knows what a virtual host is for: it moves named bytes, and of virtual
hosts reads only their domains. It sends nothing twice, takes nothing away that is in use, and leaves no question unanswered.

Read `session.py` first, then what it stands on: `desired.py` (what a proxy should hold), `ledger.py` (what it should, was told
and holds of one type), `order.py` (make before break, break late), `virtual_hosts.py` (hosts on demand) with `admission.py`
(too many of them). https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""
