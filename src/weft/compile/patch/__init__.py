"""What EnvoyFilters change in Envoy resources that are already made.

In: an Envoy resource, where it stands (`place`), and the patches that are for its proxy, in order. Out: the resource changed,
with the EnvoyFilters that changed it among its origins. A resource that no patch fits is the same object. Nothing else of
`compile` knows that there are patches: whatever they say is applied to finished messages.

A patch never raises: what does not fit is passed over, and what Envoy refuses is found by those who ask Envoy. Read `place.py`
first: it says which of our resources a patch that was written for Istio's means.
"""
