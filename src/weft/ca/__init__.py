"""The certificate authority of the mesh, and who may ask it for what.

In: a certificate signing request and an identity that was attested. Out: a certificate with that identity and no other
name, its chain, and the trust bundle. It never sees a workload's private key, never copies a name out of a request, and
never trusts what a peer says of itself: the identity comes from a join token, a certificate, or a grant.

Read `authority.py` first, then `attestation.py` (who may have which identity), then `server.py` (the gRPC services) and
`transport/server.py` (TLS, limits, and who the peer is). `csr.py` is the one file that the agent shares. `folder.py` keeps
the authority on disk; `api_authority.py` is a second, separate authority, for the API and its clients only.
"""
