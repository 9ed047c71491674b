"""Honest measurements: each prints ratios against a named peer in the same run, and the command that made them. See README.md."""
