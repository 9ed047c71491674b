"""The authority: what it issues, to whom, and whom it refuses."""
