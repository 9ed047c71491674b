"""Stores: what all do alike, and what outlives a process."""
