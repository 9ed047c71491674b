"""Python's cyclic garbage collector, told what a control plane's memory is like.

The mesh and its sessions live long and hold hardly a cycle; walking them all again and again stops every stream for up to a
tenth of a second each time. https://docs.python.org/3/library/gc.html
"""

import gc

_THRESHOLDS = (5_000, 20, 20)  # objects in the youngest generation, then collections of each before the next is collected


def settle() -> None:
    """Call it once the mesh is read: what is there now is never walked again, and what comes later more rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
