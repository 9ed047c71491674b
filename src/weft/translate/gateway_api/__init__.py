"""The Gateway API: what its resources say, alone and then beside others.

In: its resources. Out: gateways, rules and statuses. What one resource says is read alone (`listeners`, `routes`, into the words
of `written`); where a route is attached and which of its backends exist is looked up (`attachment`), and what meets at one place
is put in order (`merge`). `draft` does this again for what a change concerns. Never here: what is compiled. Read `written` first.
"""
