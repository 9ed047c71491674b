"""What a real Envoy says of an Envoy resource before any proxy is told of it.

In: Envoy resources. Out: for each that Envoy refuses, its words. A resident Envoy of the proxies' own binary is asked over xDS;
it has no traffic, binds no port, resolves no name and waits for nothing. Verdicts are kept by content, so that nothing is
asked twice. When no such Envoy can run, `envoy --mode validate` is asked instead.

Read `candidate.py` first (what the canary is shown), then `canary.py` (who is asked what), `server.py` (how) and `process.py`.
"""
