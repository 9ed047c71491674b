"""Trust between meshes: what this one shows of itself, and what it knows of the domains that its TrustDomains name.

In: TrustDomain resources, and the bundles that other domains show. Out: the bundle endpoint of this mesh, and the trust that
agents are told. A bundle that was good once holds until a newer one is: a domain whose endpoint is down stays known.

Read `domains.py` first, then `bundle_client.py` (asks another domain) and `endpoint.py` (answers others).
"""
