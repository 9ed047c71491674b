"""The control plane: the composition of all rooms below it into one process, `weft serve`.

In: flags and environment (read by `config.py` alone). Out: the API, xDS, certificates and registrations, each on an address
written to `serve.json`.
It decides nothing of routing or security itself. Read `main.py` first.
"""
