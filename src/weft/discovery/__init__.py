"""Services and workloads from elsewhere, written into the store as resources.

In: what agents (later: Kubernetes, DNS, Consul) report. Out: WorkloadEntries put to and deleted from the store, only when
something changed, and the proxies that are there. It never compiles anything and knows no Envoy.

Read `agents.py` first (what is registered; pure), then `leases.py` (for how long; pure), `workload_entry.py` (what is
written), and `server.py` (the gRPC service that agents call).
"""
