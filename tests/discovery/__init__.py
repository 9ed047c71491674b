"""Registered workloads: as a value, in the store, and over the wire."""
