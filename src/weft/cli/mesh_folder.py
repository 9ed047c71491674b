"""Placeholder."""
class NoMesh(Exception):
    """x"""
