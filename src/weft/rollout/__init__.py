"""Changes of security that are made step by step, each step only on proof.

Comes in: what was asked for, and what is seen of the mesh at a moment. Goes out: what to do next, and the state to keep. Never
does anything itself, reads no clock and holds no state: `controlplane` keeps the state on disk and acts. Read `tighten` first.
"""
