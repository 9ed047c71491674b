"""The node agent: the session between Envoy and control plane, certificates, health, gateways, and all of it on real Envoys."""
