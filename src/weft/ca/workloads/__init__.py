"""Certificates for workloads that no agent runs: who asks proves what it is by a token, and by its certificate from then on.

In: a one-use join token that the operator made for a service account, or a token of a Kubernetes service account; and a
certificate signing request. Out: a certificate of that service account, and no other.

Read `kubernetes.py` (whose a Kubernetes token is), then `server.py` (the gRPC service). The join tokens are those of
`ca.attestation`.
"""
